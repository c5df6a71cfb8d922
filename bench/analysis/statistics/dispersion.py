"""The noise of seeds: the variance over few seeds, moderated across the cells of a run.

Two to five seeds say little about the variance over seeds. Its ratio to the interaction variance, the dispersion,
is similar between cells even where scores and test sizes differ. It is at least 1, because seeds that differ only
on single examples have the interaction's variance. As in limma (Smyth 2004, Statistical Applications in Genetics
and Molecular Biology 3; for dispersions: Lund et al. 2012, same journal 11) the true dispersions come from a common
distribution, which is estimated from the cells.

An inverse chi-squared prior would be wrong where most strategies are steady and some collapse, and the gate would
raise false alarms. As in vash (Lu & Stephens 2016, Bioinformatics 32) the prior is flexible, on a grid: the
logarithm of a dispersion has Student's t distribution, except in a share of wild cells, which may have any
dispersion up to WILDEST (after Phipson et al. 2016, Annals of Applied Statistics 10). Location, scale and share are
integrated out rather than estimated (Gelman 2006, Bayesian Analysis 1), so a run of few cells yields a cautious
answer. A single cell is left with nearly Student's t on its own seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.variance import Components

DISPERSIONS = np.geomspace(1.0, 1e5, 97)
LOCATIONS = np.linspace(0.0, 4.5, 16)  # of the logarithm of a dispersion
LOCATION_RATE = (
    1.6  # exponential; chosen so that intervals of a single cell cover 92% to 98% (tests/analysis)
)
SCALES = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
TAILS = 3.0  # degrees of freedom
WILD_SHARES = {0.0: 3 / 4, 0.1: 1 / 12, 0.2: 1 / 12, 0.3: 1 / 12}  # share of cells: prior probability
WILDEST = 300.0


def moderated(cells: Sequence[Components]) -> list[Noise]:
    """The error of one seed's score in each cell. For a cell with one seed it comes from the other cells."""
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
    """The interaction variance, but at least that of one example in which seeds differ: seeds that agree on every
    example here may still differ on the next one."""
    return float(np.fmax(cell.interaction, 1 / max(cell.examples, 1) ** 2))


def _likelihood(found: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """The chi-squared likelihood of the true dispersions, up to a factor per cell: [cells, dispersions]."""
    halves = dofs[:, None] / 2
    logs = -halves * (np.log(DISPERSIONS) + found[:, None] / DISPERSIONS)
    return np.exp(logs - logs.max(1, keepdims=True))


@lru_cache(maxsize=1)
def _priors() -> tuple[np.ndarray, np.ndarray]:
    """The candidate distributions over dispersions, one for each share of wild cells, location and scale [priors,
    dispersions]; and their prior probabilities, up to a factor [priors]."""
    standard = (np.log(DISPERSIONS) - LOCATIONS[:, None, None]) / SCALES[:, None]
    density = (1 + standard**2 / TAILS) ** (-(TAILS + 1) / 2)
    steady = density / density.sum(-1, keepdims=True)
    wild = (DISPERSIONS <= WILDEST) / np.count_nonzero(DISPERSIONS <= WILDEST)
    priors = [(1 - share) * steady + share * wild for share in WILD_SHARES]
    located = np.exp(-LOCATION_RATE * LOCATIONS)
    beforehand = np.multiply.outer(list(WILD_SHARES.values()), np.repeat(located, len(SCALES)))
    return np.reshape(priors, (-1, len(DISPERSIONS))), beforehand.ravel()
