"""How noisy seeds are: the variance over few seeds, moderated across the cells of a run.

With two to five seeds a variance over seeds is hardly known. Its ratio to the interaction variance, the
dispersion, is alike between cells even where scores and test sizes are not, and is at least 1, because seeds
that differ on single examples alone have the interaction's variance. As in limma (Smyth 2004, Statistical
Applications in Genetics and Molecular Biology 3; of dispersions: Lund et al. 2012, same journal 11) the true
dispersions are drawn from a common distribution, which the cells themselves tell.

That distribution is not taken to be inverse chi-squared: strategies that are steady and some that collapse
would make such a prior wrong, and the gate would raise false alarms. As in vash (Lu & Stephens 2016,
Bioinformatics 32) it is flexible, on a grid: the logarithm of a dispersion has Student's t distribution, but for
a share of wild cells, which may have any dispersion up to WILDEST (after Phipson et al. 2016, Annals of Applied
Statistics 10). Location, scale and share are not estimated but integrated out (Gelman 2006, Bayesian Analysis 1),
so that a run of few cells, which says little about them, claims little. A cell alone is left with nearly
Student's t on its own seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.variance import Components

DISPERSIONS = np.geomspace(1.0, 1e5, 97)
LOCATIONS = np.linspace(0.0, 4.5, 16)  # of the logarithm of a dispersion
LOCATION_RATE = 1.6  # exponential; so that intervals of a single cell cover 92% to 98% (tests/analysis)
SCALES = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
TAILS = 3.0  # degrees of freedom
WILD_SHARES = {0.0: 3 / 4, 0.1: 1 / 12, 0.2: 1 / 12, 0.3: 1 / 12}  # of cells; how likely beforehand
WILDEST = 300.0


def moderated(cells: Sequence[Components]) -> list[Noise]:
    """The error of one seed's score in each cell. A cell of one seed has what the other cells say."""
    dofs = np.array([max(cell.dof, 0) for cell in cells], dtype=float)
    interactions = np.array([_interaction(cell) for cell in cells])
    seeds = np.array([cell.seed if cell.dof > 0 else 0.0 for cell in cells])
    likelihood = _likelihood(seeds / interactions, dofs)
    priors, beforehand = _priors()
    evidence = priors @ likelihood.T  # [priors, cells]
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
    """The interaction variance, or that of a few examples where fewer differ between seeds: seeds that agree
    on everything may still differ on the next."""
    return float(np.fmax(cell.interaction, 1 / max(cell.examples, 1) ** 2))


def _likelihood(found: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """Of the true dispersions, given those found, up to a factor a cell: chi-squared; [cells, dispersions]."""
    halves = dofs[:, None] / 2
    logs = -halves * (np.log(DISPERSIONS) + found[:, None] / DISPERSIONS)
    return np.exp(logs - logs.max(1, keepdims=True))


@lru_cache(maxsize=1)
def _priors() -> tuple[np.ndarray, np.ndarray]:
    """Distributions over the dispersions, one for each share of wild cells, location and scale [priors,
    dispersions]; and how likely each is beforehand, up to a factor [priors]."""
    standard = (np.log(DISPERSIONS) - LOCATIONS[:, None, None]) / SCALES[:, None]
    density = (1 + standard**2 / TAILS) ** (-(TAILS + 1) / 2)
    steady = density / density.sum(-1, keepdims=True)
    wild = (DISPERSIONS <= WILDEST) / np.count_nonzero(DISPERSIONS <= WILDEST)
    priors = [(1 - share) * steady + share * wild for share in WILD_SHARES]
    located = np.exp(-LOCATION_RATE * LOCATIONS)
    beforehand = np.multiply.outer(list(WILD_SHARES.values()), np.repeat(located, len(SCALES)))
    return np.reshape(priors, (-1, len(DISPERSIONS))), beforehand.ravel()
