"""95% intervals of a mean score over seeds and test examples (methods: `variance`, `dispersion`)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.analysis.statistics.dispersion import INTERVALS, moderated
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.variance import Components

MEANING = (
    "± is half of a 95% interval over seeds and test examples: examples are bootstrapped, and the variance over "
    "seeds is moderated across cells (after Smyth 2004). Strategies whose seeds now and then learn nothing are not "
    "covered by three seeds."
)
POINTS = (
    "In parentheses: the seeds, in place of an interval, where some of them learned nothing. So few seeds cannot "
    "say how often that happens."
)
EXACT = (
    "[low, high] is an exact binomial interval over test examples (Clopper and Pearson 1934), where nearly all of "
    "them are alike."
)
WIDE = (
    "Intervals wider than the whole range of the score are shown as [low, high], cut to that range: so few seeds "
    "and examples say next to nothing."
)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Interval:
    """The mean of a score (or of a difference) over seeds, half the width of its interval, and its error. bounds:
    of an interval that is not symmetric; then `half` is its longer side."""

    mean: float
    half: float
    noise: Noise
    seeds: int
    bounds: tuple[float, float] | None = None

    @property
    def low(self) -> float:
        return self.bounds[0] if self.bounds else self.mean - self.half

    @property
    def high(self) -> float:
        return self.bounds[1] if self.bounds else self.mean + self.half


def intervals(found: Mapping[K, Components]) -> dict[K, Interval]:
    """The interval of every cell: of the mean score over new seeds and new examples of the same kind. One seed says
    nothing about the variance over seeds, so its interval covers the examples alone."""
    noises = moderated(list(found.values()), INTERVALS)
    return {key: of_cell(parts, seed) for (key, parts), seed in zip(found.items(), noises, strict=True)}


def of_cell(parts: Components, seed: Noise) -> Interval:
    """The interval of one cell; seed: the error of one seed's score, moderated."""
    over_seeds = [seed.scaled(1 / parts.seeds)] if parts.seeds > 1 else []
    return estimated(parts, total([parts.over_examples(), *over_seeds]))


def estimated(parts: Components, noise: Noise, level: float = 0.95) -> Interval:
    """The interval of a mean with this error."""
    if parts.exact is None:
        return Interval(parts.mean, noise.quantile(0.5 + level / 2), noise, parts.seeds)
    longer = max(abs(parts.mean - bound) for bound in parts.exact)
    return Interval(parts.mean, longer, noise, parts.seeds, parts.exact)


def student_tail(t: float, dof: float) -> float:
    """The probability that Student's t exceeds `t`."""
    from scipy.special import ndtr, stdtr

    return float(stdtr(dof, -t) if math.isfinite(dof) else ndtr(-t))
