"""The sources of a score's noise: seeds, test examples, and their interaction.

A score of seed s on a sample of examples is modelled as a crossed random-effects design,

    score[s] = truth + seed effect[s] + example effect + interaction[s]

All seeds are scored on the same examples, so the naive bootstrap over seeds and examples is wrong twice: with few
seeds it shrinks their variance by (n - 1) / n (Davison & Hinkley 1997, section 3.8), and it counts the interaction
twice (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1). Here the components are moment
estimates (Searle, Casella & McCulloch 1992, chapter 4): the variance over seeds from the seeds' scores, the other
two from the covariance of the seeds' scores over resamples of the examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.analysis.statistics.noise import Noise


@dataclass(frozen=True)
class Components:
    """The variances behind a mean over seeds, in squared units of the score.

    seed: the variance of single seeds' scores on this test set, interaction included; NaN with one seed.
    interaction: the part of `seed` that comes from which examples a seed gets right; NaN with one seed.
    example: what the choice of test examples adds to the variance of the mean, whatever the number of seeds; with
    one seed it includes the interaction.
    exact: an interval of the mean that replaces the symmetric one, where these variances say too little.
    unit: by how much, times the number of examples, a single example moves the score.
    example_dof: degrees of freedom of `example`, where it was estimated from a few documents.
    """

    mean: float
    seeds: int
    examples: int
    seed: float
    interaction: float
    example: float
    exact: tuple[float, float] | None = None
    unit: float = 1.0
    example_dof: float = math.inf

    @property
    def dof(self) -> int:
        """Degrees of freedom of `seed`."""
        return self.seeds - 1

    def over_examples(self) -> Noise:
        """The error of the mean over test examples."""
        return Noise.student(self.example, self.example_dof)


def components(scores: np.ndarray, covariance: np.ndarray, examples: int) -> Components:
    """From the scores [seeds] and their covariance over resamples of the examples [seeds, seeds]."""
    seeds, mean = len(scores), float(np.mean(scores))
    if seeds == 1:
        return Components(mean, 1, examples, math.nan, math.nan, float(covariance[0, 0]))
    total = float(np.trace(covariance)) / seeds
    shared = float(covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1))
    return Components(
        mean, seeds, examples, float(np.var(scores, ddof=1)), max(total - shared, 0.0), max(shared, 0.0)
    )


def shared_variance(draws: np.ndarray) -> float:
    """`example` of components, from draws of the seeds' scores [resamples, seeds] alone."""
    seeds = draws.shape[1]
    centred = draws - draws.mean(0)
    together = float(np.square(centred.sum(1)).sum())
    apart = float(np.square(centred).sum()) if seeds > 1 else 0.0
    return max((together - apart) / max(seeds * (seeds - 1), 1) / (len(draws) - 1), 0.0)


def linear_covariance(influences: np.ndarray) -> np.ndarray:
    """The covariance [scores, scores] of scores over samples of examples, from their influence functions
    [examples, scores]: the infinitesimal jackknife, with the factor n / (n - 1) for small test sets."""
    examples = len(influences)
    return influences.T @ influences * (examples / max(examples - 1, 1))
