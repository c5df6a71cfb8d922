"""Which strategy is the fastest, as far as its seconds can tell: two times differ where the interval of their
ratio, as tables have it, excludes 1. A time that was measured once has no interval, and is never said to be
shorter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.groups import Group, is_one_machine
from bench.analysis.timing import TimeNoise, Timing


@dataclass(frozen=True)
class Time:
    """The time of a strategy on a task. seconds: the median of its cold seconds. noise: of the whole run."""

    seconds: float
    timing: Timing
    machines: frozenset[str]
    noise: TimeNoise

    def half(self, other: Time) -> float | None:
        """Half of the 95% interval of the logarithm of the ratio of both; None where one was measured once, or not
        all seeds of both ran on one machine."""
        alike = is_one_machine(self.machines, other.machines)
        return self.noise.half(self.timing, other.timing) if alike else None


def time_of(group: Group, noise: TimeNoise) -> Time | None:
    """None where no seed finished, or its seconds are not known."""
    seconds, timing = group.seconds(), group.timing()
    return Time(seconds, timing, frozenset(group.machines()), noise) if seconds and timing else None


def is_faster(first: Sequence[Time], second: Sequence[Time]) -> bool:
    """Whether the first is known to take less time than the second, on the geometric mean over tasks; both are
    in the order of the same tasks."""
    halves = [half for one, other in zip(first, second, strict=True) if (half := one.half(other)) is not None]
    if not first or len(halves) < len(first):
        return False
    ratio = sum(math.log(other.seconds / one.seconds) for one, other in zip(first, second, strict=True))
    return ratio > math.hypot(*halves)
