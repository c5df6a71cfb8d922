"""Processes that run a module of this program. Each imports the same modules as the process that starts it."""

from __future__ import annotations

import os
import sys
import time
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


def began() -> float:
    """When this process began, on time.monotonic(): before Python had started and imported anything."""
    try:
        started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # not Linux: to the second
        import psutil

        age = time.time() - psutil.Process().create_time()
    return time.monotonic() - max(0.0, age)


def command(module: str, *arguments: str) -> list[str]:
    """How to start a module. -P: a `bench.py` in the current folder is not taken for this program."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's variables, with passive waiting and its import path as PYTHONPATH.

    What the child prints goes into a log, in UTF-8 whatever encoding this process prints in."""
    here = [entry or os.getcwd() for entry in sys.path if isinstance(entry, str)]
    paths = dict.fromkeys([*here, str(Path(bench.__file__).parents[1])])
    encoding = "utf-8:backslashreplace"
    return {
        **os.environ,
        **_waiting(),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONIOENCODING": encoding,
    }
