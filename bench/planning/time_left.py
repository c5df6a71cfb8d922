"""How long workers still take, each of which takes the next waiting job when it is free."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

LATE = 0.1
"""The share of the expected seconds that a job is told to take still, however late it is."""


def rest(whole: float, elapsed: float) -> float:
    """The seconds that a job still takes. whole: those that it was expected to take."""
    return max(whole - elapsed, LATE * whole)


def seconds_left(rests: Sequence[float], waiting: Iterable[float], workers: int) -> float:
    """Seconds until the last worker is done. rests: of the jobs in flight; waiting: of those that are not begun, in
    their order."""
    free = [*rests, *[0.0] * (max(1, workers) - len(rests))]
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)
