"""What an executor is given and whom it tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.record import Point, Record
from bench.store import Store

ExecutorName = Literal["process", "inline"]


@dataclass(frozen=True)
class Options:
    """How to run: device (`auto`, `cpu`, `cuda:1`), CPU threads, whether to run finished cells again, and

    timeout: seconds for a cell; None: from what comparable cells took. retry_fp32: run a cell that diverged in
    bf16 again in fp32. deterministic: bitwise equal results on one machine. plugin_files: to discover again in
    another process."""

    device: str = "auto"
    threads: int | None = None
    fresh: bool = False
    executor: ExecutorName = "process"
    timeout: float | None = None
    retry_fp32: bool = False
    deterministic: bool = False
    plugin_files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise BenchError(f"--device {self.device}: choose auto, cpu, cuda or cuda:<number>")


@dataclass(frozen=True)
class Work:
    """The run folder, how to run, where data come from, and each cell's fingerprint by its id. Goes to workers."""

    store: Store
    options: Options = field(default_factory=Options)
    sources: Sources = field(default_factory=Sources)
    fingerprints: Mapping[str, str] = field(default_factory=dict)


class Listener(Protocol):
    """Hears what happens while cells run."""

    def say(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...


class Silent:
    """A listener that tells nobody."""

    def say(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...


Finished = Callable[[Cell], Record | None]
"""The record of a cell that need not run (again), or None."""
