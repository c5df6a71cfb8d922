"""The pairs of a family of a hundred thousand: each keeps what little it is tested by.

The draws and the noise of a pair take 10 kB, so those of all pairs would not fit in memory. They are made where
they are read: the noise once, for the p value, and both again for those pairs alone that may have the smallest p
value of a draw where nothing differs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.statistics.familywise import GRID, SHARES, Pair
from bench.analysis.statistics.noise import TINY, Noise, total
from bench.analysis.statistics.resampling import Resampled, alike
from bench.analysis.statistics.variance import shared_variance

COARSE = 16  # parts of a noise by which its tail is bounded
SAFE = 1e-6  # relative; more than float32 rounds
PARTS = (COARSE, 2 * COARSE, 3 * COARSE + 1)
"""Where in `RivalPair.bounds` each but the first begins."""
CANCELLED = 1e-6  # share of two sums of squares below which their difference is taken draw by draw


@dataclass(frozen=True)
class Rival:
    """A group as its pairs need it. scores: as they are. slope: of the scale of the test, on which the rest is.
    error: of one seed. seed: of the draws of that error. centred: draws of the mean over seeds where nothing
    differs [draws], of the test examples and of that error."""

    scores: Resampled
    slope: float
    error: Noise
    seed: int
    centred: np.ndarray

    @classmethod
    def of(cls, scores: Resampled, noise: Noise, seed: int) -> Rival:
        """noise: of one seed's score."""
        slope = scores.slope()
        own = cls(scores, slope, noise.scaled(slope**2), seed, np.empty(0))
        mean = slope * scores.draws.mean(1)
        centred = mean - mean.mean()
        if len(scores.seeds) > 1:
            centred = centred + own.errors() / math.sqrt(len(scores.seeds))
        return cls(scores, slope, own.error, seed, centred)

    def errors(self) -> np.ndarray:
        """Draws of the error of one seed that is not in the draws over examples [draws]."""
        known = self.scores.tested().components().interaction
        return self.error.draws(len(self.scores.draws), np.random.default_rng(self.seed), known)


@dataclass(frozen=True, slots=True)
class RivalPair:
    """A pair on the scale of the test: as `familywise.Pair`, but its noise and its draws are made when asked for.

    example: the variance over examples. seeds: how many both have. bootstrapped: the p value of this comparison
    alone; exact: of an exact test, which decides in its place. bounds: of the parts of its noise the weights, the
    mean variances and the edges, and the least standard deviation of the largest SHARES, float32."""

    first: Rival
    second: Rival
    difference: float
    example: float
    seeds: int
    bootstrapped: float
    bounds: np.ndarray
    exact: float | None = None

    @property
    def p(self) -> float:
        """Two-sided, of this comparison alone."""
        return self.bootstrapped if self.exact is None else self.exact

    @property
    def draws(self) -> int:
        return len(self.first.centred)

    def null(self) -> np.ndarray:
        """Draws of the difference where nothing differs [draws]."""
        if self.first.scores.seeds == self.second.scores.seeds:
            return self.first.centred - self.second.centred
        minus = self.first.scores.tested().minus(self.second.scores.tested())
        assert minus is not None  # such pairs are not made
        null = minus.draws.mean(1) - minus.draws.mean()
        if self.seeds > 1:
            null = null + (self.first.errors() - self.second.errors()) / math.sqrt(self.seeds)
        return null

    def null_p(self) -> np.ndarray:
        """The p value of every draw [draws]."""
        noise = _noise(self.first, self.second, self.example, self.seeds)
        return Pair(self.difference, noise, self.null()).null_p()

    def may_lower(self, logs: np.ndarray) -> bool:
        """Whether a draw's p value may be below the one with this logarithm [draws]. In each part of the noise
        the tail beyond x is at least that of the mean variance where it is convex in the variance, which is where
        x² is three variances or more; elsewhere at least that of the least variance."""
        from scipy.special import ndtr

        weights, means, edges, _ = np.split(self.bounds.astype(float), PARTS)
        sizes = np.abs(self.null())
        grid = np.linspace(0.0, float(sizes.max(initial=0.0)), GRID)
        convex = grid[:, None] ** 2 >= 3 * edges[1:]
        tails = ndtr(-grid[:, None] / np.sqrt(np.where(convex, means, edges[:-1]) + TINY))
        floors = np.log(np.maximum(2 * (tails @ weights), 1e-300))
        return bool((np.interp(sizes, grid, floors) < logs).any())

    def surely_above(self, reached: np.ndarray) -> bool:
        """As `familywise.Tested` has it. Between the points of a grid the logarithm of the tail is interpolated, so
        it is at least that of the next point."""
        sizes = np.abs(self.null())
        sizes += float(sizes.max(initial=0.0)) / (GRID - 1)
        limits = (self.bounds[PARTS[-1] :, None] * reached).max(0)
        return bool((sizes <= limits * (1 - SAFE)).all())


def rival_pairs(rivals: Sequence[Rival]) -> Iterator[tuple[int, int, RivalPair]]:
    """Every pair of groups that share examples and seeds, with their places."""
    variances = _shared_variances(rivals)
    levels = [float(rival.scores.tested().scores.mean()) for rival in rivals]
    for place, other in itertools.combinations(range(len(rivals)), 2):
        first, second = rivals[place], rivals[other]
        if not alike(first.scores.ids, second.scores.ids):
            continue
        seeds, difference = len(first.scores.seeds), levels[place] - levels[other]
        example = float(variances[place, other])
        if math.isnan(example):
            minus = first.scores.tested().minus(second.scores.tested())
            if minus is None:
                continue
            seeds, difference = len(minus.seeds), float(minus.scores.mean())
            example = shared_variance(minus.draws)
        noise = _noise(first, second, example, seeds)
        p = Pair(difference, noise, np.empty(0)).p
        yield place, other, RivalPair(first, second, difference, example, seeds, p, _bounds(noise))


def _noise(first: Rival, second: Rival, example: float, seeds: int) -> Noise:
    """The error of a difference over examples and over the seeds of both groups."""
    errors = [rival.error.scaled(1 / seeds) for rival in (first, second)] if seeds > 1 else []
    return total([Noise.known(example), *errors])


def _shared_variances(rivals: Sequence[Rival]) -> np.ndarray:
    """`shared_variance` of the difference of every two groups with the same seeds, by one matrix product; NaN where
    they have others, and where the two are so much alike that their difference is lost in rounding."""
    found = np.full((len(rivals), len(rivals)), math.nan)
    members: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for place, rival in enumerate(rivals):
        members.setdefault((rival.scores.seeds, len(rival.scores.ids)), []).append(place)
    for (seeds, _), places in members.items():
        draws = [rivals[place].slope * rivals[place].scores.draws for place in places]
        centred = [item - item.mean(0) for item in draws]
        together, lost = _squares(np.stack([item.sum(1) for item in centred]))
        apart = np.zeros_like(together)
        if len(seeds) > 1:
            apart, also = _squares(np.stack([item.ravel() for item in centred]))
            lost |= also
        count = len(seeds)
        variance = (together - apart) / max(count * (count - 1), 1) / (len(centred[0]) - 1)
        found[np.ix_(places, places)] = np.where(lost, math.nan, np.maximum(variance, 0.0))
    return found


def _squares(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The squared distances of every two rows, and which of them are lost in rounding."""
    products = rows @ rows.T
    sizes = np.diag(products)
    both = sizes[:, None] + sizes
    distances = both - 2 * products
    return distances, distances <= CANCELLED * both


def _bounds(noise: Noise) -> np.ndarray:
    """As RivalPair has them, each rounded to the safe side; empty where the noise has fewer parts."""
    count = len(noise.variances)
    starts = np.linspace(0, count, min(COARSE, count), endpoint=False).astype(int)
    weights = np.add.reduceat(noise.weights, starts)
    means = np.add.reduceat(noise.weights * noise.variances, starts) / np.maximum(weights, 1e-300)
    found = np.zeros(PARTS[-1] + len(SHARES))
    found[: len(starts)] = weights * (1 - SAFE)
    found[COARSE : COARSE + len(starts)] = means * (1 - SAFE)
    found[2 * COARSE : 2 * COARSE + len(starts)] = noise.variances[starts] * (1 - SAFE)
    found[2 * COARSE + len(starts) : PARTS[-1]] = noise.variances[-1] * (1 + SAFE)
    above = np.cumsum(found[: len(starts)][::-1])[::-1]  # the weight of a part and all larger ones
    places = [max(int(np.count_nonzero(above >= share)) - 1, 0) for share in SHARES]
    found[PARTS[-1] :] = np.sqrt(noise.variances[starts[places]] + TINY) * (1 - SAFE)
    found[COARSE + len(starts) : 2 * COARSE] = 1.0
    return found.astype(np.float32)
