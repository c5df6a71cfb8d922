"""How far the best of several runs lies above their mean, from as many runs or more.

The estimate is unbiased: the mean of the best of every choice of so many runs. Its bootstrap is not: a resample has
few distinct runs, so that the best of it is lower. Intervals by its quantiles lie below the truth in nearly half of
all cases with 20 runs of 20. So its lower quantile alone is an end of the interval. The other end is the largest
gain that scores of a standard deviation can have at all (Hartley & David 1954, Annals of Mathematical Statistics
25), at the upper limit of the standard deviation of normal scores. That end is far out, so the variance is that of
a normal error with the lower one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.analysis.statistics.over_tasks import LEVEL, Effect, expected_best

DRAWS = 2000


def best_gain(scores: Sequence[float], runs: int) -> Effect:
    """The expected best of `runs` runs less the mean, from scores of as many or more, which are not all equal."""
    sample = np.array(scores)
    picked = np.random.default_rng(0).integers(len(sample), size=(DRAWS, len(sample)))
    gains = [expected_best(drawn, runs) - drawn.mean() for drawn in sample[picked]]
    value, low = _best(sample, runs) - float(sample.mean()), float(np.quantile(gains, LEVEL / 2))
    low, high = min(low, value), max(_most(sample, runs), value)
    return Effect(value, ((value - low) / 1.96) ** 2, low, high)


def _best(sample: np.ndarray, runs: int) -> float:
    """The mean of the best of every choice of so many of the scores: a score is the best of those that take all
    others from below it."""
    count = len(sample)
    weights = [math.comb(place, runs - 1) / math.comb(count, runs) for place in range(count)]
    return float(np.sort(sample) @ weights)


def _most(sample: np.ndarray, runs: int) -> float:
    """The largest gain of scores with the largest standard deviation that these may have."""
    from scipy.special import chdtri

    dof = len(sample) - 1
    deviation = float(np.std(sample, ddof=1)) * math.sqrt(dof / float(chdtri(dof, 1 - LEVEL / 2)))
    return deviation * (runs - 1) / math.sqrt(2 * runs - 1)
