"""Bounds on the noise of many pairs at once: what the p value of a pair is at least, without the noise itself.

The noise of a pair is a sum over 97 x 97 variances, thinned to BINS cells. Here the noise of each group is cut into
a few parts by weight, and every part counts with its least variance. Thinning replaces a variance by the mean of
its cell, which is smaller by the width of a cell at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.analysis.statistics.familywise import SHARES
from bench.analysis.statistics.noise import BINS, TINY, Noise

ABOVE = (1.0, 0.85, 0.65, 0.45, 0.25, 0.1, 0.03, 0.006)
"""The weight of the noise of a group from the beginning of each part on."""
SAFE = 1e-6  # relative; more than rounding


@dataclass(frozen=True)
class Parts:
    """The noise of a group in parts: weights and least variances [parts], and its least and largest variance."""

    weights: np.ndarray
    least: np.ndarray
    ends: tuple[float, float]

    @classmethod
    def of(cls, noise: Noise) -> Parts:
        """Of a noise whose variances ascend."""
        above = np.cumsum(noise.weights[::-1])[::-1]
        starts = [max(int(np.count_nonzero(above >= share)) - 1, 0) for share in ABOVE]
        starts[0] = 0  # rounding may leave less than the whole weight
        weights = above[starts] - np.append(above[starts[1:]], 0.0)
        return cls(weights, noise.variances[starts], (float(noise.variances[0]), float(noise.variances[-1])))


@dataclass(frozen=True)
class Floors:
    """p: what the two-sided p value of each pair is at least [pairs]. spreads: standard deviations that the noise
    has with a probability of SHARES or more [pairs, shares]."""

    p: np.ndarray
    spreads: np.ndarray


def mixtures(
    first: Parts, others: list[Parts], seeds: np.ndarray, examples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the pairs of a group with others: standard deviations that are at most those of the noise, and their
    weights [pairs, parts]. seeds: how many both have [pairs]; one has no noise over seeds. examples: the least and
    the largest variance over examples [2, pairs]."""
    scale = np.where(seeds > 1, 1 / seeds, 0.0)
    least = np.stack([part.least for part in others])
    weights = np.stack([part.weights for part in others])
    count = len(others)
    variances = scale[:, None, None] * (first.least[:, None] + least[:, None, :])
    variances = (examples[0][:, None, None] + variances).reshape(count, -1)
    joint = (first.weights[:, None] * weights[:, None, :]).reshape(count, -1) * (1 - SAFE)
    low, high = (
        examples[end] + scale * (first.ends[end] + np.array([part.ends[end] for part in others]))
        for end in (0, 1)
    )
    thinned = np.where(examples[0] < examples[1], 2, 1)  # times, each by the width of a cell at most
    shrunk = ((low + TINY) / (high + TINY)) ** (thinned / BINS) * (1 - SAFE)
    return np.sqrt(variances * shrunk[:, None] + TINY), joint


def floors(
    first: Parts, others: list[Parts], seeds: np.ndarray, examples: np.ndarray, differences: np.ndarray
) -> Floors:
    """The bounds of the pairs of a group with others, as in `mixtures`. differences: [pairs]."""
    from scipy.special import ndtr

    deviations, joint = mixtures(first, others, seeds, examples)
    tails = (ndtr(-np.abs(differences)[:, None] / deviations) * joint).sum(1)
    order = np.argsort(-deviations, axis=1)
    sorted_, above = (
        np.take_along_axis(deviations, order, axis=1),
        np.cumsum(np.take_along_axis(joint, order, axis=1), axis=1),
    )
    places = np.stack([(above < share).sum(1) for share in SHARES], axis=1)
    spreads = np.take_along_axis(sorted_, np.minimum(places, sorted_.shape[1] - 1), axis=1)
    return Floors(2 * tails * (1 - SAFE), spreads * (1 - SAFE))
