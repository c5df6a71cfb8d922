"""95% intervals of a mean score, over seeds and test examples (method: bench.analysis.variance)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.analysis.variance import Components, Prior, fit_prior, satterthwaite

MEANING = (
    "± is half of a 95% interval over seeds and test examples: examples by the bootstrap, seeds by Student's t "
    "with the variance over seeds moderated across cells (Smyth 2004)."
)
K = TypeVar("K", bound=Hashable)
ALONE = Prior()


@dataclass(frozen=True)
class Interval:
    """The mean of a score (or of a difference) over seeds, and half the width of its interval."""

    mean: float
    half: float
    dof: float
    seeds: int

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half


def interval(found: Components, prior: Prior = ALONE, level: float = 0.95) -> Interval:
    """The interval for the score that new seeds would have on average, on new examples of the same kind.

    With one seed the variance over seeds cannot be known, and the interval covers the examples alone."""
    variance, dof = squared_error(found, prior)
    half = student_quantile(0.5 + level / 2, dof) * math.sqrt(variance)
    return Interval(found.mean, half, dof, found.seeds)


def intervals(found: Mapping[K, Components], level: float = 0.95) -> dict[K, Interval]:
    """The interval of every cell, with one prior over all of them."""
    prior = fit_prior(list(found.values()))
    return {key: interval(parts, prior, level) for key, parts in found.items()}


def squared_error(found: Components, prior: Prior) -> tuple[float, float]:
    """The squared standard error of a mean over seeds, and its degrees of freedom."""
    seed, dof = prior.seed_variance(found)
    parts, dofs = [found.example], [float(max(found.examples - 1, 1))]
    if found.seeds > 1:
        parts, dofs = [*parts, seed / found.seeds], [*dofs, dof]
    return sum(parts), satterthwaite(parts, dofs)


def student_quantile(probability: float, dof: float) -> float:
    """Student's quantile; the normal one where dof is infinite."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(dof, probability) if math.isfinite(dof) else ndtri(probability))


def student_tail(t: float, dof: float) -> float:
    """The probability that Student's t exceeds `t`."""
    from scipy.special import ndtr, stdtr

    return float(stdtr(dof, -t) if math.isfinite(dof) else ndtr(-t))
