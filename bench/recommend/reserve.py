"""What is kept of a budget for its end: judging, tables and leaving, as slow as this machine is in these seconds.

The end of an answer computes for a known time, and takes longer where other processes have the cores. So the
reserve is seconds of computing, measured while the rounds run, times how slow the machine is now."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from statistics import fmean

SPIN = 0.03
"""Seconds of computing that a measurement takes: several slices of the scheduler, as a process that slept gets its
first one at once."""

EVERY = 5.0
"""Seconds between two measurements."""

REMEMBERED = 6
"""Measurements of which the mean counts: the end of an answer takes as long as most of them together."""

CLOSING = 0.5
"""Seconds of computing from the last cell to the end of the process, without judging scores."""

IMPORTING = 0.9
"""Seconds of computing that the imports of NEEDED take."""

JUDGING = 0.3
"""Seconds of computing that a look at the scores of few cells takes."""

START = 5.0
"""Seconds of computing until a worker has imported torch and loaded an encoder."""

LARGEST = 0.5
"""The most of a budget that is kept."""

TOLERANCE = 0.1
"""How much longer an answer may take than its budget, in times of it."""

COMPARED = 2
"""Strategies that make an answer: until they have a score, no time is kept for improving it."""

NEEDED = (
    "scipy.stats",
    "statsmodels.stats.contingency_tables",
    "bench.analysis.tables.build",
    "plotext",
)
"""What the end of an answer imports."""

FLOOR = ("bench.models.counts",)
"""What the floor imports, which is left out where the time is up."""


def slowness() -> float:
    """Seconds that pass while this thread computes for one: 1 on an idle machine."""
    began, computed = time.perf_counter(), time.thread_time()
    while (used := time.thread_time() - computed) < SPIN:
        sum(range(1_000))
    return max(1.0, (time.perf_counter() - began) / used)


@dataclass
class Reserve:
    """The reserve of a budget of `budget` seconds that ends at `end` on time.monotonic().

    judging: the most seconds of computing that a look at all scores has taken so far. ended: the strategies that
    have a score, or failed. needed: how many of them make an answer."""

    budget: float
    end: float
    judging: float = JUDGING
    ended: set[str] = field(default_factory=set)
    needed: int = COMPARED
    _seen: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _last: float = float("-inf")

    def slowness(self) -> float:
        """How slow the machine was in the last half minute."""
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()  # first: an alarm in the middle of a measurement asks again
            self._seen.append(slowness())
        return fmean(self._seen) if self._seen else 1.0

    def closing(self) -> float:
        """Seconds from the last cell to the end of the process."""
        importing = 0.0 if set(NEEDED) <= set(sys.modules) else IMPORTING
        return min((CLOSING + self.judging + importing) * self.slowness(), LARGEST * self.budget)

    def starting(self) -> float:
        """Seconds until a new worker can train."""
        return START * self.slowness()

    def last_cell(self) -> float:
        """When the last cell must end, on time.monotonic()."""
        return self.end - self.closing()

    def last_round(self, share: float) -> float:
        """When the rounds must end. Before there is an answer they go on while there is time to judge one. Then
        they leave time for one more look at all scores and for the last cell: `share` of the budget, unless a
        worker could not even start in it."""
        if len(self.ended) < self.needed:
            return self.end + TOLERANCE * self.budget - self.closing()
        last = share * self.budget
        kept = self.judging * self.slowness() + (last if last > self.starting() else 0.0)
        return max(self.last_cell() - kept, self.end - LARGEST * self.budget)

    def note(self, strategy: str) -> None:
        """A cell of the strategy has ended."""
        self.ended.add(strategy)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Learn from a look at all scores what the one at the end will take."""
        computed = time.thread_time()
        yield
        self.judging = max(self.judging, time.thread_time() - computed)


def import_ahead() -> None:
    """Import what the end of an answer needs, and its floor, while a worker trains. In this thread, and with no
    alarm in between: a library that is imported halfway cannot be imported again."""
    needed = [name for name in (*NEEDED, *FLOOR) if name not in sys.modules]
    if not needed or threading.current_thread() is not threading.main_thread():
        return
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}) if masks else set()
    try:
        for name in needed:
            with suppress(ImportError):  # whoever needs it says so
                import_module(name)
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
