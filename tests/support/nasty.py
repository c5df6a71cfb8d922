"""A plug-in file with strategies that do what real ones do by accident: crash, hang, eat memory, diverge."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contracts import Phase, Strategy

FOLDER = "TRANSFERBENCH_NASTY"  # environment: a folder for what must be remembered between processes
GROUP = "TRANSFERBENCH_NASTY_GROUP"  # environment: the folder of a control group with little memory


@dataclass(frozen=True)
class Nasty(Strategy):
    """Trains everything, after `adapt` has done something to the process."""

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-3),)),)

    @abstractmethod
    def adapt(self, encoder: Any) -> None: ...


@dataclass(frozen=True)
class Crashes(Nasty):
    name = "crashes"
    summary = "Segmentation fault"

    def adapt(self, encoder: Any) -> None:
        print("about to crash", flush=True)
        ctypes.string_at(0)


@dataclass(frozen=True)
class KilledOnce(Nasty):
    name = "killed-once"
    summary = "SIGKILL in the first attempt"

    def adapt(self, encoder: Any) -> None:
        mark = Path(os.environ[FOLDER]) / "killed"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Hangs(Nasty):
    name = "hangs"
    summary = "Never ends"

    def adapt(self, encoder: Any) -> None:
        print("waiting for nothing", file=sys.stderr, flush=True)
        time.sleep(3600)


@dataclass(frozen=True)
class Allocates(Nasty):
    name = "allocates"
    summary = "Allocates under an address-space limit until there is no more"

    def adapt(self, encoder: Any) -> None:
        limits = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, limits[1]))
        kept = []
        try:
            while True:
                kept.append(bytearray(2**24))
        finally:
            kept.clear()
            resource.setrlimit(resource.RLIMIT_AS, limits)


@dataclass(frozen=True)
class EatsAll(Nasty):
    name = "eats-all"
    summary = "Moves into a control group with little memory and allocates until the kernel kills it"

    def adapt(self, encoder: Any) -> None:
        Path(os.environ[GROUP], "cgroup.procs").write_text(str(os.getpid()))
        kept = []
        while True:
            kept.append(b"x" * 2**24)


@dataclass(frozen=True)
class Raises(Nasty):
    name = "raises"
    summary = "Raises in `adapt`"

    def adapt(self, encoder: Any) -> None:
        raise RuntimeError("no such layer: [bold]\x1b[31m")


@dataclass(frozen=True)
class Exits(Nasty):
    name = "exits"
    summary = "Calls sys.exit(0)"

    def adapt(self, encoder: Any) -> None:
        sys.exit(0)


@dataclass(frozen=True)
class Vanishes(Nasty):
    name = "vanishes"
    summary = "Calls os._exit(0)"

    def adapt(self, encoder: Any) -> None:
        os._exit(0)


@dataclass(frozen=True)
class Diverges(Strategy):
    name = "diverges"
    summary = "A learning rate that no model survives"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e30),), head=1e30),)


@dataclass(frozen=True)
class Counts(Nasty):
    name = "counts"
    summary = "Works, and leaves a line for each time it is run"

    def adapt(self, encoder: Any) -> None:
        with (Path(os.environ[FOLDER]) / "counts").open("a") as file:
            file.write(f"{os.getpid()}\n")


@dataclass(frozen=True)
class DiesTogether(Strategy):
    """Trains a head alone, so that its seeds train together, and does something to the worker beforehand: only
    there is the engine imported. FOLDER/deaths holds how often the worker is killed; -1: it hangs."""

    name = "dies-together"
    summary = "Kills the worker at which its seeds train together"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        left = Path(os.environ[FOLDER]) / "deaths"
        if "bench.engine.cell" in sys.modules and left.exists():
            deaths = int(left.read_text())
            if deaths < 0:
                time.sleep(3600)
            if deaths > 0:
                left.write_text(str(deaths - 1))
                os.kill(os.getpid(), signal.SIGKILL)
        return (Phase(1.0),)
