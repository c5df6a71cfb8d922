"""A budget of time as a promise: what runs under it ends when it is spent, in the middle of a cell too."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.contracts import Cell
from bench.data.foreign import Interruption
from bench.planning.estimates import Estimator
from bench.runs.curve import Point
from bench.runs.listeners import Screen
from bench.runs.record import Record
from bench.text import duration

AGAIN = 0.5
"""Seconds between rings of the timer: Python drops an exception that is raised in a callback of its collector."""


def written(seconds: float) -> str:
    """Short times to the second: a budget of 90 s is not one of 2 min."""
    return f"{seconds:.0f} s" if seconds < 180 else duration(seconds)


class BudgetSpent(Interruption):
    """The time is up. The cell that it stops leaves no record."""


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Raise BudgetSpent in the `with` block when time.monotonic() reaches `deadline`.

    In the main thread of a POSIX system a timer does, wherever the block is, as Ctrl-C would. Elsewhere the screen
    of `Budgeted` alone does, at the next point of a learning curve."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        reason = sys.exception()
        while reason is not None:  # what BudgetSpent unwinds is not interrupted again
            if isinstance(reason, BudgetSpent):
                return
            reason = reason.__context__
        raise BudgetSpent

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 1e-3), AGAIN)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Budgeted:
    """A screen that raises BudgetSpent at the first point or finished cell after the deadline (a
    bench.runs.listeners.Screen)."""

    screen: Screen
    deadline: float

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        self.screen.begin(cells, finished, estimator)

    def end(self) -> None:
        self.screen.end()

    def say(self, text: str) -> None:
        self.screen.say(text)

    def note(self, text: str) -> None:
        self.screen.note(text)

    def cell_started(self, cell: Cell) -> None:
        self.screen.cell_started(cell)

    def point(self, cell: Cell, point: Point) -> None:
        self.screen.point(cell, point)
        self._check()

    def cell_done(self, record: Record) -> None:
        self.screen.cell_done(record)
        self._check()

    def _check(self) -> None:
        if time.monotonic() > self.deadline:
            raise BudgetSpent
