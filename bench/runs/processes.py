"""Processes that run a module of this program. Each imports the same modules as the process that starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bench

POLICY, SPINS = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


def wait_passively() -> None:
    """Let OpenMP threads sleep while they wait for each other, unless the user has chosen otherwise.

    Threads that spin cost nothing on an idle machine and most of the speed where a core is shared. The libraries
    read the variables when they are loaded: call this before torch is imported."""
    os.environ.update(_waiting())


def _waiting() -> dict[str, str]:
    """The variables that are to be added to this process's own."""
    if POLICY in os.environ:
        return {}
    return {POLICY: "passive", SPINS: os.environ.get(SPINS, "0")}


def command(module: str, *arguments: str) -> list[str]:
    """How to start a module. -P: a `bench.py` in the current folder is not taken for this program."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's variables, with passive waiting and its import path as PYTHONPATH."""
    here = [entry or os.getcwd() for entry in sys.path if isinstance(entry, str)]
    paths = dict.fromkeys([*here, str(Path(bench.__file__).parents[1])])
    return {**os.environ, **_waiting(), "PYTHONPATH": os.pathsep.join(paths)}
