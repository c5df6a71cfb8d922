"""Correlations as means over examples, so that what resamples any other score resamples them.

A correlation is no ratio of sums. Its linear approximation at the observed examples is one: the mean of the score
plus each example's influence on it (the infinitesimal jackknife: Efron 1982, section 6.3). The mean is the
correlation itself, its resamples vary as those of the correlation do to first order, and paired differences stay
paired.
"""

from __future__ import annotations

import numpy as np


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Values [examples] whose mean is Pearson's correlation; zeros where it is undefined.

    The influence of an example is z1 z2 - r (z1^2 + z2^2) / 2, of standardised values (Devlin, Gnanadesikan &
    Kettenring 1975, Biometrika 62)."""
    first, second = _standardised(first), _standardised(second)
    if not first.any() or not second.any():
        return np.zeros(len(first))
    product = first * second
    r = product.mean()
    return r + product - r * (first**2 + second**2) / 2


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """As `pearson`, of ranks, equal values sharing the mean of theirs. An example also moves the ranks of those
    above it: its influence is that on the ranks' correlation plus the change of all ranks (Croux & Dehon 2010)."""
    ranks = [_ranks(values) for values in (first, second)]
    a, b = (_standardised(rank) for rank in ranks)
    if not a.any() or not b.any():
        return np.zeros(len(a))
    r = (a * b).mean()
    influence = a * b - r * (a**2 + b**2) / 2
    for values, rank, own, other in ((first, ranks[0], a, b), (second, ranks[1], b, a)):
        influence += _above(values, (other - r * own) / rank.std())
    return r + influence - influence.mean()


def mcc(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Values [examples] whose mean is Matthews' correlation of labels, for any number of labels (R_K: Gorodkin
    2004); zeros where it is undefined: the correlation of the labels' indicators, summed over labels."""
    labels = np.unique(np.concatenate([reference, prediction]).astype(str)).astype(object)
    gold = (reference[:, None] == labels).astype(float)
    said = (prediction[:, None] == labels).astype(float)
    gold, said = gold - gold.mean(0), said - said.mean(0)
    product, own, other = (gold * said).sum(1), (gold**2).sum(1), (said**2).sum(1)
    if not own.mean() or not other.mean():
        return np.zeros(len(gold))
    scale = np.sqrt(own.mean() * other.mean())
    r = product.mean() / scale
    return r + (product / scale - r) - r * (own / own.mean() + other / other.mean() - 2) / 2


def _standardised(values: np.ndarray) -> np.ndarray:
    """With mean 0 and deviation 1; zeros where they do not vary, but for rounding."""
    if not len(values) or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return np.zeros(len(values))
    return (values - values.mean()) / values.std()


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values)


def _above(values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The sum of the slopes of the examples above each example, equal ones counting half [examples]."""
    order = np.argsort(values, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(slopes[order])])
    ordered = values[order]
    below, through = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return total[-1] - (total[below] + total[through]) / 2
