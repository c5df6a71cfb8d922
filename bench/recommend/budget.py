"""A budget of time as a promise: what runs under it ends when it is spent, in the middle of a cell too."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.contracts import Cell
from bench.data.foreign import Interruption
from bench.planning.estimates import Estimator
from bench.recommend.reserve import import_ahead
from bench.runs.curve import Point
from bench.runs.listeners import Screen
from bench.runs.record import Record
from bench.text import duration

AGAIN = 0.5
"""Seconds between rings of the timer: Python drops an exception that is raised in a callback of its collector."""

LOOK = 5.0
"""Seconds between looks at a deadline that may move."""

Deadline = Callable[[], float]
"""A moment on time.monotonic(), which may move: the busier the machine, the earlier it is."""


def written(seconds: float) -> str:
    """Short times to the second: a budget of 90 s is not one of 2 min."""
    return f"{seconds:.0f} s" if seconds < 180 else duration(seconds)


class BudgetSpent(Interruption):
    """The time is up. The cell that it stops leaves no record."""


@contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Raise BudgetSpent in the `with` block when time.monotonic() reaches the deadline, wherever the block is:
    between two batches that are encoded or predicted as well as between two cells.

    A timer does, as Ctrl-C would: in the main thread of a POSIX system. Elsewhere only a Budgeted screen looks at
    the clock, at every point of a curve and after every cell."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    over = threading.Event()

    def ring(*_: object) -> None:
        left = deadline() - time.monotonic()
        if left > 0:
            signal.setitimer(signal.ITIMER_REAL, min(left, LOOK), AGAIN)
        elif not over.is_set() and not _unwinds(sys.exception()):
            raise BudgetSpent

    before = signal.signal(signal.SIGALRM, ring)
    try:
        left = deadline() - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, min(max(left, 1e-3), LOOK), AGAIN)
        try:
            yield
        finally:
            over.set()  # an alarm while the timer is taken down would leave its handler behind
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _unwinds(reason: BaseException | None) -> bool:
    """Whether the block is being left already: what BudgetSpent unwinds is not interrupted again."""
    while reason is not None:
        if isinstance(reason, BudgetSpent):
            return True
        reason = reason.__context__
    return False


@dataclass(frozen=True)
class Budgeted:
    """A screen that raises BudgetSpent at the first point or finished cell after the deadline (a
    bench.runs.listeners.Screen)."""

    screen: Screen
    deadline: Deadline
    ended: Callable[[str], None] = lambda _: None  # told of the strategy of every cell that has ended

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        self.screen.begin(cells, finished, estimator)
        for record in finished:
            self.ended(record.cell.strategy)

    def end(self) -> None:
        self.screen.end()

    def say(self, text: str) -> None:
        self.screen.say(text)
        import_ahead()  # a worker starts or trains: this process would only wait

    def note(self, text: str) -> None:
        self.screen.note(text)

    def cell_started(self, cell: Cell) -> None:
        self.screen.cell_started(cell)

    def point(self, cell: Cell, point: Point) -> None:
        self.screen.point(cell, point)
        self._check()

    def cell_done(self, record: Record) -> None:
        self.screen.cell_done(record)
        self.ended(record.cell.strategy)
        self._check()

    def _check(self) -> None:
        if time.monotonic() > self.deadline():
            raise BudgetSpent
