"""Who is told what happens while cells run: a screen, a tracker, nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bench.contracts import Cell
from bench.runs.curve import Point
from bench.runs.record import Record

if TYPE_CHECKING:
    from bench.planning.estimates import Estimator


class Listener(Protocol):
    """Hears what happens while cells run."""

    def say(self, text: str) -> None:
        """What is being waited for now."""

    def note(self, text: str) -> None:
        """What a user should read even after the next wait has begun."""

    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...


class Screen(Listener, Protocol):
    """A listener that is told where the run begins and ends."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        """The cells to run, the records that are on disk already, and what is known of durations."""

    def end(self) -> None: ...


class Silent:
    """A screen that tells nobody."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None: ...
    def end(self) -> None: ...
    def say(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...
