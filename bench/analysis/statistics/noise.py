"""The error of an estimate whose variance is itself uncertain: a scale mixture of normals.

With an inverse chi-squared distribution of the variance this is Student's t. Here the variance has any distribution
on a grid: the posterior after moderation across cells (bench.analysis.statistics.dispersion).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 200
FLAT = 0.5  # range of logarithms below which cells are too narrow for float32
NEAR_EDGE = 0.01  # share of a cell within which float32 may be on the wrong side of its edge
TINY = 1e-30  # so that an error without variance has a tail too


@dataclass(frozen=True)
class Noise:
    """A centred error: its variance is variances[i] with probability weights[i]; float [n] each."""

    variances: np.ndarray
    weights: np.ndarray

    @classmethod
    def known(cls, variance: float) -> Noise:
        """A normal error."""
        return cls(np.array([variance]), np.ones(1))

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

    def draws(self, count: int, rng: np.random.Generator, known: float = 0.0) -> np.ndarray:
        """Draws of the error [count]. known: a part of its variance to leave out, because it is drawn elsewhere."""
        variances = rng.choice(self.variances, count, p=self.weights / self.weights.sum())
        return np.sqrt(np.maximum(variances - known, 0.0)) * rng.normal(size=count)

    def quantile(self, probability: float) -> float:
        """The quantile at this probability, which must be above one half; by bisection."""
        from scipy.special import ndtr, ndtri

        low, high = (
            float(ndtri(probability)) * np.sqrt([self.variances.min(), self.variances.max()])
        ).tolist()
        deviations = np.sqrt(self.variances + TINY)[None]
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            tail = ndtr(-middle / deviations) @ self.weights
            low, high = (middle, high) if tail[0] > 1 - probability else (low, middle)
        return high


def total(noises: Sequence[Noise]) -> Noise:
    """The sum of independent errors; the grid is thinned to BINS cells a sum, each at its mean variance."""
    sum_ = noises[0]
    for other in noises[1:]:
        variances = np.add.outer(sum_.variances, other.variances).ravel()
        weights = np.multiply.outer(sum_.weights, other.weights).ravel()
        sum_ = _thinned(Noise(variances, weights))
    return sum_


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


def _exact_cells(variances: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.digitize(np.log(variances + TINY), np.linspace(low, high, BINS + 1)[1:-1])
