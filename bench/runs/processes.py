"""Processes that run a module of this program. Each imports the same modules as the process that starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bench


def command(module: str, *arguments: str) -> list[str]:
    """How to start a module. -P: a `bench.py` in the current folder is not taken for this program."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's variables, with its import path as PYTHONPATH. What the process prints goes into a
    log, in UTF-8 whatever this process prints in."""
    here = [entry or os.getcwd() for entry in sys.path if isinstance(entry, str)]
    paths = dict.fromkeys([*here, str(Path(bench.__file__).parents[1])])
    encoding = "utf-8:backslashreplace"
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": encoding}
