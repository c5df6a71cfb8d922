"""What an executor is given and whom it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bench.contracts import Cell
from bench.record import Point, Record


@dataclass(frozen=True)
class Options:
    """How to run: the device (`auto`, `cpu`, `cuda:1`), CPU threads, and whether to run finished cells again."""

    device: str = "auto"
    threads: int | None = None
    fresh: bool = False


class Listener(Protocol):
    """Hears what happens while cells run."""

    def say(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...


class Silent:
    """A listener that tells nobody."""

    def say(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...
