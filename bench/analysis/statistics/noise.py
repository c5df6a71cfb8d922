"""The error of an estimate whose variance is itself uncertain: a scale mixture of normals.

With an inverse chi-squared distribution of the variance this is Student's t, the error over a few documents. In
general the variance has any distribution on a grid: over seeds it is the posterior after moderation across cells
(bench.analysis.statistics.dispersion).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BINS = 200
MANY = 200.0
"""Degrees of freedom from which on a variance counts as known: Student's interval is then wider by 0.6%."""
RARE = 1e-9  # probability of the variances beyond either end of the grid
FLAT = 0.5  # range of logarithms below which cells are too narrow for float32
NEAR_EDGE = 0.01  # share of a cell within which float32 may be on the wrong side of its edge
TINY = 1e-30  # so that an error without variance has a tail too
NARROW = 1e-6  # relative width at which a quantile is found
CLOSE = 1e-7  # relative distance of the ends of a bracket from the quantile
SAFE = 1e-10  # relative, of a tail: more than rounding
NEWTON = 12  # steps at most
ROOT = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Noise:
    """A centred error: its variance is variances[i] with probability weights[i]; float [n] each."""

    variances: np.ndarray
    weights: np.ndarray

    @classmethod
    def known(cls, variance: float) -> Noise:
        """A normal error."""
        return cls(np.array([variance]), np.ones(1))

    @classmethod
    def student(cls, variance: float, dof: float) -> Noise:
        """The error of a mean whose variance was estimated with so many degrees of freedom: Student's t, scaled.
        Normal from MANY on."""
        if dof >= MANY:
            return cls.known(variance)
        factors, weights = _inverse_chi_squared(dof)
        return cls(variance * factors, weights)

    @staticmethod
    def factors(dof: float) -> tuple[float, float]:
        """The least and the largest variance of `student`, of one that was estimated as 1."""
        if dof >= MANY:
            return 1.0, 1.0
        variances, _ = _inverse_chi_squared(dof)
        return float(variances[0]), float(variances[-1])

    def scaled(self, factor: float) -> Noise:
        """Its variance multiplied by `factor`."""
        return Noise(self.variances * factor, self.weights)

    def tail(self, x: float) -> float:
        """The probability that the error exceeds `x`."""
        return float(self.tails(np.array([x]))[0])

    def tails(self, x: np.ndarray) -> np.ndarray:
        """`tail` of each x [n]."""
        return self.parts(x) @ self.weights

    def parts(self, x: np.ndarray) -> np.ndarray:
        """The probability that the error exceeds each x, by variance [n, variances]."""
        from scipy.special import ndtr

        return ndtr(-x[:, None] / np.sqrt(self.variances + TINY))

    def draws(self, count: int, rng: np.random.Generator, known: float) -> np.ndarray:
        """Draws of the error [count]. known: a part of its variance to leave out, because it is drawn elsewhere."""
        variances = rng.choice(self.variances, count, p=self.weights / self.weights.sum())
        return np.sqrt(np.maximum(variances - known, 0.0)) * rng.normal(size=count)

    def quantile(self, probability: float) -> float:
        """The quantile at this probability, which must be above one half; by bisection. Steps outside of a narrow
        bracket need no tail."""
        from scipy.special import ndtri

        start = float(ndtri(probability))
        low, high = (start * np.sqrt([self.variances.min(), self.variances.max()])).tolist()
        tails = _Tails(np.sqrt(self.variances + TINY)[None], self.weights, 1 - probability)
        least, most = low, high
        if high - low > NARROW * high:
            typical = start * float((tails.deviations @ self.weights)[0])
            least, most = tails.bracket(low, high, min(max(typical, low), high))
        while high - low > NARROW * high:
            middle = (low + high) / 2
            if middle <= least or (middle < most and tails.at(middle) > tails.goal):
                low = middle
            else:
                high = middle
        return high


@lru_cache(maxsize=64)
def _inverse_chi_squared(dof: float) -> tuple[np.ndarray, np.ndarray]:
    """The distribution of dof / chi-squared in BINS cells of equal width on the scale of logarithms: their middles,
    ascending, and their probabilities."""
    from scipy.special import gammaincc, gammaincinv

    least, most = (dof / (2 * float(gammaincinv(dof / 2, tail))) for tail in (1 - RARE, RARE))
    edges = np.geomspace(least, most, BINS + 1)
    weights = np.diff(gammaincc(dof / 2, dof / (2 * edges)))
    return np.sqrt(edges[:-1] * edges[1:]), weights / weights.sum()


@dataclass(frozen=True)
class _Tails:
    """The probabilities that an error exceeds some x, and the one that is looked for. deviations: [1, n]."""

    deviations: np.ndarray
    weights: np.ndarray
    goal: float

    def at(self, x: float) -> float:
        from scipy.special import ndtr

        return float((ndtr(-x / self.deviations) @ self.weights)[0])

    def bracket(self, low: float, high: float, x: float) -> tuple[float, float]:
        """Two values between `low` and `high`: the tail is surely above the goal up to the first, and surely below
        it from the second on. By Newton's method on the logarithm of the tail, from `x`."""
        left, right = low, high
        for _ in range(NEWTON):
            tail = self.at(x)
            left, right = (x, right) if tail > self.goal else (left, x)
            density = float((np.exp(-0.5 * (x / self.deviations) ** 2) / self.deviations @ self.weights)[0])
            step = (
                math.log(tail / self.goal) * tail / density * ROOT if tail > 0 and density > 0 else math.nan
            )
            inside = left < x + step < right
            x, before = x + step if inside else (left + right) / 2, x
            if abs(x - before) < CLOSE * x / 100:
                break
        least, most = x * (1 - CLOSE), x * (1 + CLOSE)
        least = least if self.at(least) > self.goal * (1 + SAFE) else low
        return least, most if self.at(most) < self.goal * (1 - SAFE) else high


def total(noises: Sequence[Noise]) -> Noise:
    """The sum of independent errors; the grid is thinned to BINS cells a sum, each at its mean variance."""
    sum_ = noises[0]
    for other in noises[1:]:
        sum_ = _thinned(_sum(sum_, other))
    return sum_


def _sum(first: Noise, second: Noise) -> Noise:
    """Every sum of two variances, with its weight."""
    if len(first.variances) == 1 and first.weights[0] == 1.0:  # a known one, as most sums begin
        return Noise(first.variances + second.variances, second.weights)
    variances = np.add.outer(first.variances, second.variances).ravel()
    return Noise(variances, np.multiply.outer(first.weights, second.weights).ravel())


def _thinned(noise: Noise) -> Noise:
    if len(noise.variances) <= BINS:
        return noise
    places = _cells(noise.variances)
    weights = np.bincount(places, noise.weights, BINS)
    means = np.bincount(places, noise.weights * noise.variances, BINS)
    filled = weights > 0
    return Noise(means[filled] / weights[filled], weights[filled])


def _cells(variances: np.ndarray) -> np.ndarray:
    """The place of each variance [n] in BINS cells of equal width on the scale of logarithms. Those of all but the
    few beside an edge are read from logarithms in float32: a logarithm in float64 and a search for each of ten
    thousand variances would take most of the time of a table with a hundred thousand pairs."""
    low, high = (math.log(limit + TINY) for limit in (variances.min(), variances.max()))
    if high - low < FLAT:
        return _exact_cells(variances, low, high)
    scaled = (variances + TINY).astype(np.float32)
    np.log(scaled, out=scaled)
    scaled -= np.float32(low)
    scaled *= np.float32(BINS / (high - low))
    whole = np.floor(scaled)  # all of this in float32: mixed with integers it would take three times as long
    places = whole.astype(np.intp)
    scaled -= whole
    scaled -= np.float32(0.5)
    np.abs(scaled, out=scaled)
    near = np.flatnonzero(scaled > np.float32(0.5 - NEAR_EDGE))
    places[near] = _exact_cells(variances[near], low, high)
    return places


STEPS = np.arange(BINS + 1.0)


def _exact_cells(variances: np.ndarray, low: float, high: float) -> np.ndarray:
    """By a search among the edges, which are those of `np.linspace(low, high, BINS + 1)`."""
    edges = STEPS[1:-1] * ((high - low) / BINS) + low
    return edges.searchsorted(np.log(variances + TINY), side="right")
