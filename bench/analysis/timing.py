"""How well a time is known: which of its parts were measured again, and the interval of a ratio of two times.

Seeds share what they can. Preparing rows and the prefix are measured once in a group of cells and copied to all of
them, heads that train together have one training time, and seeds that train at once on a device are charged the
training time of one that trained alone. A copy is no second measurement. So the cold seconds are
seen as two parts, what is shared and what is a seed's own, each with its number of independent measurements.

The noise of times is multiplicative: one relative variance, pooled over all repeated parts of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from bench.runs.record import Record

NEAR = 1.05
"""Preparations within this ratio count as one: they hold the building of a seed's model, which is never copied."""
NOTABLE = 0.1  # of the cold seconds: a part below it has a noise of its own, which moves nothing
LEVEL = 0.95


@dataclass(frozen=True)
class Timing:
    """The independent measurements, in seconds, of the two parts of a group's cold seconds."""

    shared: tuple[float, ...]
    own: tuple[float, ...]

    @cached_property
    def share(self) -> float:
        """Of the shared part in the cold seconds."""
        shared, own = fmean(self.shared), fmean(self.own)
        return shared / (shared + own) if shared + own > 0 else 0.0

    @property
    def measurements(self) -> int:
        """Of the part that takes most of the time."""
        return len(self.shared if self.share > 0.5 else self.own)

    @property
    def weight(self) -> float:
        """The variance of the logarithm of the mean time, in units of that of one measurement."""
        return self.share**2 / len(self.shared) + (1 - self.share) ** 2 / len(self.own)

    @property
    def mean(self) -> float:
        """Of the whole, in seconds."""
        return fmean(self.shared) + fmean(self.own)

    def samples(self) -> list[list[float]]:
        """The logarithms of the parts that were measured again and take a notable share of the time."""
        parts = ((self.share, self.shared), (1 - self.share, self.own))
        return [
            [math.log(value) for value in values]
            for share, values in parts
            if share >= NOTABLE and len(values) > 1 and min(values) > 0
        ]


@dataclass(frozen=True)
class TimeNoise:
    """The relative variance of one measurement, and its degrees of freedom."""

    variance: float
    dof: float

    def half(self, *timings: Timing) -> float | None:
        """Half of the 95% interval of the logarithm of a ratio of times; None where one of them was measured once,
        or where nothing tells the noise."""
        if not self.dof or min(item.measurements for item in timings) < 2:
            return None
        from scipy.special import stdtrit

        quantile = float(stdtrit(self.dof, 0.5 + LEVEL / 2))
        return quantile * math.sqrt(self.variance * sum(item.weight for item in timings))


def timing(records: Sequence[Record]) -> Timing | None:
    """Of the finished seeds of a group; None where there is none."""
    if not records:
        return None
    shared = [record.seconds.prepare + record.seconds.prefix for record in records]
    prefixes = [record.seconds.prefix for record in records]
    parts = _distinct(prefixes, shared) if any(prefixes) else _apart(shared)
    alone = [record for record in records if not is_charged(record)] or records[:1]
    own = [max(r.seconds.cold - (r.seconds.prepare + r.seconds.prefix), 0.0) for r in alone]
    trained = [record.seconds.train for record in alone]
    return Timing(tuple(parts), tuple(_distinct(trained, own) if any(trained) else own))


def training(records: Sequence[Record]) -> Timing | None:
    """As `timing`, of the seconds that a strategy can save: frozen blocks run once, compiling and the steps. None
    where no seed has any of its own."""
    alone = [
        r for r in records if not is_charged(r) and r.seconds.prefix + r.seconds.compile + r.seconds.train > 0
    ]
    if not alone:
        return None
    prefixes, trained = ([getattr(r.seconds, part) for r in alone] for part in ("prefix", "train"))
    own = [r.seconds.compile + r.seconds.train for r in alone]
    shared = _distinct(prefixes, prefixes)
    return Timing(tuple(shared), tuple(_distinct(trained, own) if any(trained) else own))


def is_charged(record: Record) -> bool:
    """Whether its training seconds and peak memory are those of another seed."""
    return record.machine is not None and record.machine.seeds_at_once > 1


def noise(timings: Iterable[Timing]) -> TimeNoise:
    """Pooled over all parts that were measured again."""
    return TimeNoise(*pooled_variance([sample for item in timings for sample in item.samples()]))


def pooled_variance(samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The variance within samples and its degrees of freedom; (0, 0) where no sample has two values."""
    dof = sum(len(values) - 1 for values in samples)
    if dof == 0:
        return 0.0, 0.0
    squares = sum(sum((value - fmean(values)) ** 2 for value in values) for values in samples)
    return squares / dof, float(dof)


def _distinct(marks: Sequence[float], values: Sequence[float]) -> list[float]:
    """The values of the first of each mark: two equal readings of a clock are one reading, copied."""
    return list(dict(zip(reversed(marks), reversed(values), strict=True)).values())


def _apart(values: Sequence[float]) -> list[float]:
    """The values that are not near the one before them, in ascending order."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value > NEAR * kept[-1]:
            kept.append(value)
    return kept
