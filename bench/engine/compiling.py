"""Measures torch.compile, which compiles at the first call of a layer, in the middle of a training step."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

import torch


def compile_seconds() -> float:
    """Seconds that this process has spent compiling so far."""
    if "torch._dynamo.utils" not in sys.modules:
        return 0.0
    from torch._dynamo.utils import calculate_time_spent

    return calculate_time_spent().get("total_wall_time", 0.0)


def uncompiled() -> AbstractContextManager[object]:
    """Run compiled layers as they were in the block: where each shape is compiled anew, shapes that occur once or
    twice are not worth it."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
