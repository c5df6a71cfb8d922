"""The pairs of a family of a hundred thousand: each keeps what little it is tested by.

The draws and the noise of a pair take 10 kB, so those of all pairs would not fit in memory. They are made where
they are read (`stepdown`): the noise for those pairs alone whose p value may be small, and both for those that may
have the smallest p value of a draw where nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.analysis.statistics.familywise import Pair
from bench.analysis.statistics.floors import Parts, floors
from bench.analysis.statistics.noise import MANY, Noise, total
from bench.analysis.statistics.resampling import Resampled, alike
from bench.analysis.statistics.variance import shared_variance

FEW = 10.0
"""Degrees of freedom below which clusters do not tell how the differences on them depend on each other."""
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
        centred = (mean - mean.mean()) * own.spread
        if len(scores.seeds) > 1:
            centred = centred + own.errors / math.sqrt(len(scores.seeds))
        return cls(scores, slope, own.error, seed, centred)

    @cached_property
    def errors(self) -> np.ndarray:
        """Draws of the error of one seed that is not in the draws over examples [draws]. Kept for the pairs of
        groups with unequal seeds, which read them again and again."""
        known = self.scores.tested().components().interaction
        return self.error.draws(len(self.scores.draws), np.random.default_rng(self.seed), known)

    @property
    def spread(self) -> np.ndarray | float:
        """Draws of the deviation over clusters, by what was estimated [draws]: the same for all groups on the same
        clusters. 1 where it is known."""
        dof = self.scores.dof
        if not FEW <= dof < MANY:
            return 1.0
        rng = np.random.default_rng((len(self.scores.ids), self.scores.clusters))
        return np.sqrt(dof / rng.chisquare(dof, len(self.scores.draws)))

    @cached_property
    def parts(self) -> Parts:
        """Bounds on the error of one seed."""
        return Parts.of(self.error)


@dataclass(frozen=True, slots=True)
class RivalPair:
    """A pair on the scale of the test: as `familywise.Pair`, but its noise and its draws are made when asked for.

    example: the variance over examples. seeds: how many both have. floor: what its bootstrapped p value is at
    least. spreads: standard deviations that its noise has with a probability of SHARES or more. exact: the p value
    of an exact test, which decides in place of the noise. dof: degrees of freedom of `example`."""

    first: Rival
    second: Rival
    difference: float
    example: float
    seeds: int
    floor: float
    spreads: np.ndarray
    exact: float | None = None
    dof: float = math.inf

    @property
    def p(self) -> float:
        """Two-sided, of this comparison alone; made anew for each call."""
        return self.exact if self.exact is not None else self.p_by(self.noise())

    def p_by(self, noise: Noise) -> float:
        """As `p`, where the noise is at hand."""
        return Pair(self.difference, noise, np.empty(0), self.exact).p

    @property
    def few(self) -> bool:
        """Whether it rests on too few clusters of examples to say how it depends on other pairs."""
        return self.dof < FEW

    @property
    def examples(self) -> tuple[float, float]:
        """The least and the largest variance over examples that its noise has."""
        least, most = Noise.factors(self.dof)
        return self.example * least, self.example * most

    @property
    def draws(self) -> int:
        return len(self.first.centred)

    def null(self) -> np.ndarray:
        """Draws of the difference where nothing differs [draws]."""
        if self.same_seeds:
            return self.first.centred - self.second.centred
        minus = self.first.scores.tested().minus(self.second.scores.tested())
        assert minus is not None  # such pairs are not made
        null = (minus.draws.mean(1) - minus.draws.mean()) * self.first.spread
        if self.seeds > 1:
            null = null + (self.first.errors - self.second.errors) / math.sqrt(self.seeds)
        return null

    def null_p(self) -> np.ndarray:
        """The p value of every draw [draws]."""
        return Pair(self.difference, self.noise(), self.null()).null_p()

    def noise(self) -> Noise:
        """The error of the difference over examples and over the seeds of both groups."""
        errors = [rival.error.scaled(1 / self.seeds) for rival in (self.first, self.second)]
        return total([Noise.student(self.example, self.dof), *(errors if self.seeds > 1 else [])])

    @property
    def same_seeds(self) -> bool:
        """Whether its draws where nothing differs are those of its groups, one minus the other."""
        return self.first.scores.seeds == self.second.scores.seeds


def rival_pairs(rivals: Sequence[Rival]) -> Iterator[tuple[int, int, RivalPair]]:
    """Every pair of groups that share examples and seeds, with their places. Groups with unequal seeds need two in
    common: on a single one, the noise over seeds that one of them has shown would have no part."""
    variances = _shared_variances(rivals)
    levels = [float(rival.scores.tested().scores.mean()) for rival in rivals]
    for place, first in enumerate(rivals):
        found: list[tuple[int, int, float, float]] = []  # place, seeds, difference, variance over examples
        for other, second in enumerate(rivals[place + 1 :], place + 1):
            if not alike(first.scores.ids, second.scores.ids):
                continue
            example = float(variances[place, other])
            if not math.isnan(example):
                example = max(example, _least(first, second) ** 2)
                found.append((other, len(first.scores.seeds), levels[place] - levels[other], example))
                continue
            minus = first.scores.tested().minus(second.scores.tested())
            if minus is not None and (len(minus.seeds) > 1 or first.scores.seeds == second.scores.seeds):
                difference, example = float(minus.scores.mean()), shared_variance(minus.draws)
                example = max(example, _least(first, second) ** 2)
                found.append((other, len(minus.seeds), difference, example))
        if not found:
            continue
        others, seeds, differences, examples = zip(*found, strict=True)
        dof, limits = first.scores.dof, Noise.factors(first.scores.dof)
        least = floors(
            first.parts,
            [rivals[other].parts for other in others],
            np.array(seeds),
            np.multiply.outer(limits, examples),
            np.array(differences),
        )
        for number, (other, count, difference, example) in enumerate(found):
            floor, spreads = float(least.p[number]), least.spreads[number]
            second = rivals[other]
            yield (
                place,
                other,
                RivalPair(first, second, difference, example, count, floor, spreads, dof=dof),
            )


def _least(first: Rival, second: Rival) -> float:
    """The standard deviation over examples of a difference on the scale of the test, at least."""
    return first.scores.least * max(first.slope, second.slope)


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
