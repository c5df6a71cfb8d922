"""Listeners to a run: a screen, a tracker, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bench.contracts import Cell
from bench.runs.curve import Point
from bench.runs.record import Record

if TYPE_CHECKING:
    from bench.planning.estimates import Estimator


class Listener(Protocol):
    """Receives events while cells run."""

    def say(self, text: str) -> None:
        """The run is waiting for this now."""

    def note(self, text: str) -> None:
        """A line that stays on the screen after the next wait has begun."""

    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...


class Screen(Listener, Protocol):
    """A listener that also receives the beginning and the end of the run."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        """The cells to run, the records that are already on disk, and the estimator of durations."""

    def end(self) -> None: ...


class Silent:
    """A screen that shows nothing."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None: ...
    def end(self) -> None: ...
    def say(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def point(self, cell: Cell, point: Point) -> None: ...
    def cell_done(self, record: Record) -> None: ...
