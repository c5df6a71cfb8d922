"""The noise of seeds: the variance over few seeds, moderated across the cells of a run.

Two to five seeds say little about the variance over seeds. Its ratio to the interaction variance, the dispersion,
is similar between cells even where scores and test sizes differ. It is at least 1, because seeds that differ only
on single examples have the interaction's variance. As in limma (Smyth 2004, Statistical Applications in Genetics
and Molecular Biology 3; for dispersions: Lund et al. 2012, same journal 11) the true dispersions come from a common
distribution, which is estimated from the cells.

An inverse chi-squared prior would be wrong where most strategies are steady and some collapse, and the gate would
raise false alarms. As in vash (Lu & Stephens 2016, Bioinformatics 32) the prior is flexible, on a grid: the
logarithm of a dispersion has Student's t distribution, except in a share of wild cells, which may have any
dispersion up to a limit (after Phipson et al. 2016, Annals of Applied Statistics 10). Location, scale and share are
integrated out rather than estimated (Gelman 2006, Bayesian Analysis 1), so a run of few cells yields a cautious
answer. A single cell is left with nearly Student's t on its own seeds.

Moderation is right on average over the cells, and too confident about a cell that is far noisier than the others
and whose few seeds happen to agree. Tests of many cells promise an error rate over all of them, and use the prior
TESTS. An interval promises coverage of its own cell, and uses INTERVALS, in which half of the cells may be wild:
where the seeds' own spread dominates, it is Student's t on them (`coverage` measures both).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.variance import Components

DISPERSIONS = np.geomspace(1.0, 1e5, 97)
SCALES = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
TAILS = 3.0  # degrees of freedom


@dataclass(frozen=True)
class Prior:
    """What is believed of the dispersions of cells beforehand.

    location, rate: the largest location of the logarithm of a dispersion that is considered, and the rate of its
    exponential distribution. shares: the shares of wild cells that are considered, each with its probability.
    wildest: the largest dispersion of a wild cell."""

    location: float
    rate: float
    shares: tuple[tuple[float, float], ...]
    wildest: float


TESTS = Prior(4.5, 1.6, ((0.0, 3 / 4), (0.1, 1 / 12), (0.2, 1 / 12), (0.3, 1 / 12)), 300.0)
INTERVALS = Prior(6.9, 0.1, ((0.4, 1 / 3), (0.5, 1 / 3), (0.6, 1 / 3)), 1000.0)


def moderated(cells: Sequence[Components], prior: Prior = TESTS) -> list[Noise]:
    """The error of one seed's score in each cell. For a cell with one seed it comes from the other cells."""
    dofs = np.array([max(cell.dof, 0) for cell in cells], dtype=float)
    interactions = np.array([_interaction(cell) for cell in cells])
    seeds = np.array([cell.seed if cell.dof > 0 else 0.0 for cell in cells])
    likelihood = _likelihood(seeds / interactions, dofs)
    priors, beforehand = _candidates(prior)
    evidence = priors @ likelihood.T  # [candidates, cells]
    logs = np.log(evidence).sum(1) + np.log(beforehand)
    belief = np.exp(logs - logs.max())
    belief /= belief.sum()
    posterior = likelihood * ((belief[:, None] / evidence).T @ priors)
    posterior /= posterior.sum(1, keepdims=True)
    return [
        Noise(DISPERSIONS * interaction, weights)
        for interaction, weights in zip(interactions, posterior, strict=True)
    ]


def _interaction(cell: Components) -> float:
    """The interaction variance, but at least that of one example in which seeds differ: seeds that agree on every
    example here may still differ on the next one."""
    return float(np.fmax(cell.interaction, (cell.unit / max(cell.examples, 1)) ** 2))


def _likelihood(found: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """The chi-squared likelihood of the true dispersions, up to a factor per cell: [cells, dispersions]."""
    halves = dofs[:, None] / 2
    logs = -halves * (np.log(DISPERSIONS) + found[:, None] / DISPERSIONS)
    return np.exp(logs - logs.max(1, keepdims=True))


@lru_cache(maxsize=4)
def _candidates(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """The candidate distributions over dispersions [candidates, dispersions], one for each share of wild cells,
    location and scale; and their prior probabilities, up to a factor [candidates]."""
    locations = np.arange(0.0, prior.location + 0.15, 0.3)
    standard = (np.log(DISPERSIONS) - locations[:, None, None]) / SCALES[:, None]
    density = (1 + standard**2 / TAILS) ** (-(TAILS + 1) / 2)
    steady = density / density.sum(-1, keepdims=True)
    wild = (prior.wildest >= DISPERSIONS) / np.count_nonzero(prior.wildest >= DISPERSIONS)
    candidates = [(1 - share) * steady + share * wild for share, _ in prior.shares]
    located = np.exp(-prior.rate * locations)
    beforehand = np.multiply.outer(
        [probability for _, probability in prior.shares], np.repeat(located, len(SCALES))
    )
    return np.reshape(candidates, (-1, len(DISPERSIONS))), beforehand.ravel()
