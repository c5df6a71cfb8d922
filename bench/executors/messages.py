"""Messages between the process executor and its workers, pickled over a socket pair."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contracts import Cell
from bench.executors.contract import Work
from bench.runs.curve import Point
from bench.runs.record import Record


@dataclass(frozen=True)
class Setup:
    """The first message to a worker: the device to use (`auto` in the first worker), and everything else."""

    work: Work
    device: str


@dataclass(frozen=True)
class Job:
    """To a worker: run these cells, one, or several seeds of one that train together. adaptations: what was changed
    for this attempt."""

    cells: tuple[Cell, ...]
    adaptations: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """From a worker, once: how many GPUs there are."""

    gpus: int


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class Noted:
    text: str


@dataclass(frozen=True)
class Reached:
    point: Point


@dataclass(frozen=True)
class Finished:
    """The record of the job's next cell, which is saved. sound: whether the process can run another cell."""

    record: Record
    sound: bool


@dataclass(frozen=True)
class Refused:
    """The request as a whole cannot go on (a full disk, a plug-in that cannot be imported): a BenchError's line and
    code."""

    reason: str
    code: str


Message = Ready | Said | Noted | Reached | Finished | Refused
