"""How busy a machine is with other work, from what the system counts."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.runs.record import Load

BUSY = 0.25
"""From this share of the cores taken by other processes, a cell's seconds are not those of a quiet machine."""

SHORTEST = 1.0
"""Seconds over which work is counted. Over fewer, the count's own steps and the writing of a record dominate."""

IDLE = (3, 4)  # the columns of /proc/stat's first line in which nothing runs: idle, iowait


@dataclass(frozen=True)
class Moment:
    """clock: seconds. load: runnable processes a core. busy: core seconds of all processes, None where they are not
    counted; own: those of this process, or of it and its children."""

    clock: float
    load: float
    busy: float | None
    own: float


def load_per_core() -> float:
    """Runnable processes a core of this machine, over the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0


def now() -> Moment:
    return Moment(time.perf_counter(), load_per_core(), _busy(), time.process_time())


def with_children() -> Moment:
    """`now`, with what workers have computed counted as this process's own."""
    moment = now()
    return replace(moment, own=moment.own + _of_children())


def between(start: Moment, end: Moment) -> Load:
    """The load from one moment to another; what others took is unknown where they are less than SHORTEST apart."""
    others = None
    seconds = end.clock - start.clock
    capacity = seconds * (os.cpu_count() or 1)
    if start.busy is not None and end.busy is not None and seconds >= SHORTEST:
        taken = (end.busy - start.busy) - (end.own - start.own)
        others = round(min(max(taken / capacity, 0.0), 1.0), 3)
    return Load(start=round(start.load, 3), end=round(end.load, 3), others=others)


def _of_children() -> float:
    """Core seconds of the processes that this one has started and theirs, ended ones included."""
    times = os.times()
    seconds = times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used = child.cpu_times()
            seconds += used.user + used.system
    return seconds


def _busy() -> float | None:
    """Core seconds since the machine started."""
    try:
        with Path("/proc/stat").open() as file:
            ticks = [int(count) for count in file.readline().split()[1:9]]
        return sum(count for place, count in enumerate(ticks) if place not in IDLE) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
