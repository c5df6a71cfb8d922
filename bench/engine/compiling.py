"""Measures torch.compile, which compiles at the first call of a layer, in the middle of a training step."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import torch


def compile_seconds() -> float:
    """Seconds that this process has spent compiling so far."""
    if "torch._dynamo.utils" not in sys.modules:
        return 0.0
    from torch._dynamo.utils import calculate_time_spent

    return calculate_time_spent().get("total_wall_time", 0.0)


def missing_compiler(device: torch.device) -> str:
    """What torch.compile lacks for this device, as far as is known without trying; '' where it lacks nothing."""
    if device.type == "cuda" and find_spec("triton") is None:
        return "triton is not installed"
    if device.type == "cuda":
        variable, names = "CC", ("gcc", "clang")
    else:
        variable, names = "CXX", ("clang++" if sys.platform == "darwin" else "g++",)
    if not os.environ.get(variable) and not any(map(shutil.which, names)):
        return f"there is no compiler: install {' or '.join(names)}, or name one in {variable}"
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        return "Python.h is missing: install the development files of this Python"
    return ""


def uncompiled() -> AbstractContextManager[object]:
    """Run compiled layers as they were in the block: where each shape is compiled anew, shapes that occur once or
    twice are not worth it."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
