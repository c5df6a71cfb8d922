"""A budget of time as a promise: what runs under it ends when it is spent, in the middle of a cell too."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

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


def until(deadline: Deadline) -> AbstractContextManager[None]:
    """Raise BudgetSpent in the `with` block when time.monotonic() reaches the deadline, wherever the block is:
    between two batches that are encoded or predicted as well as between two cells.

    In the main thread of a POSIX system a timer does, as Ctrl-C would. Elsewhere a second thread does, as soon as
    the block runs Python."""
    main = threading.current_thread() is threading.main_thread()
    return _by_timer(deadline) if main and hasattr(signal, "setitimer") else _by_thread(deadline)


@contextmanager
def _by_timer(deadline: Deadline) -> Iterator[None]:
    def ring(*_: object) -> None:
        left = deadline() - time.monotonic()
        if left > 0:
            signal.setitimer(signal.ITIMER_REAL, min(left, LOOK), AGAIN)
        elif not _unwinds(sys.exception()):
            raise BudgetSpent

    before = signal.signal(signal.SIGALRM, ring)
    try:
        left = deadline() - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, min(max(left, 1e-3), LOOK), AGAIN)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(deadline: Deadline) -> Iterator[None]:
    thread, over = threading.get_ident(), threading.Event()
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    to = ctypes.c_ulong(thread)

    def watch() -> None:
        wait = 0.0
        while not over.wait(wait):
            left = deadline() - time.monotonic()
            wait = min(left, LOOK) if left > 0 else AGAIN
            if left <= 0 and not over.is_set() and not _unwinds(_raised_in(thread)):
                throw(to, ctypes.py_object(BudgetSpent))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        throw(to, None)  # what has not been raised yet


def _raised_in(thread: int) -> BaseException | None:
    """What a thread is handling: until Python 3.11 in a tuple."""
    found = sys._current_exceptions().get(thread)
    return found[1] if isinstance(found, tuple) else found


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
    scored: Callable[[], None] = lambda: None  # told of every score
    _ready: list[bool] = field(default_factory=list)

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        self.screen.begin(cells, finished, estimator)
        self._ready.append(True)

    def end(self) -> None:
        self.screen.end()

    def say(self, text: str) -> None:
        self.screen.say(text)
        if self._ready:  # a worker is at its first cell: this process would only wait
            import_ahead()

    def note(self, text: str) -> None:
        self.screen.note(text)

    def cell_started(self, cell: Cell) -> None:
        self.screen.cell_started(cell)

    def point(self, cell: Cell, point: Point) -> None:
        self.screen.point(cell, point)
        self._check()

    def cell_done(self, record: Record) -> None:
        self.screen.cell_done(record)
        if record.status == "done":
            self.scored()
        self._check()

    def _check(self) -> None:
        if time.monotonic() > self.deadline():
            raise BudgetSpent
