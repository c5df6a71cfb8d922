"""Where the noise of a score comes from: seeds, test examples, and the two together.

A score of seed s on a sample of examples is modelled as a crossed random-effects design,

    score[s] = truth + seed effect[s] + example effect + interaction[s]

Seeds see the same examples, so the naive bootstrap over seeds and examples is wrong twice: with few seeds it
shrinks their variance by (n - 1) / n (Davison & Hinkley 1997, section 3.8), and it counts the interaction
twice (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1). Here the components come from
moments (Searle, Casella & McCulloch 1992, chapter 4): the variance over seeds from the seeds' scores, the
other two from the covariance of the seeds' scores over resamples of the examples. The degrees of freedom of
their sum are Satterthwaite's (1946, Biometrics Bulletin 2).

With two to five seeds a variance over seeds is hardly known. Its ratio to the interaction variance, the
dispersion, is alike between cells even where scores and test sizes are not; so it is moderated across the
cells of a run by empirical Bayes (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3;
of dispersions: Lund et al. 2012, same journal 11). Cells that truly differ make the prior weak, and then each
cell stands on its own seeds. So does a single cell whose seeds are far more spread than the others' (after
Phipson et al. 2016, Annals of Applied Statistics 10): a strategy that sometimes collapses is not made to look
steady by those that never do. A dispersion is at least 1, because the variance over seeds contains the
interaction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """The variances behind a mean over seeds, in squared units of the score.

    seed: of single seeds' scores on this test set, interaction included; NaN with one seed.
    interaction: the part of it that comes from which examples a seed gets right; NaN with one seed.
    example: what the choice of test examples adds to the mean over seeds, however many seeds; with one seed
    it includes the interaction.
    """

    mean: float
    seeds: int
    examples: int
    seed: float
    interaction: float
    example: float

    @property
    def dof(self) -> int:
        """Degrees of freedom of `seed`."""
        return self.seeds - 1

    @property
    def dispersion(self) -> float:
        """The variance over seeds in units of the interaction; NaN where seeds never disagree, or with one."""
        return self.seed / self.interaction if self.interaction > 0 else math.nan


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


def linear_covariance(influences: np.ndarray) -> np.ndarray:
    """The covariance [scores, scores] of scores over samples of examples, from their influence functions
    [examples, scores]: the infinitesimal jackknife, with the factor n / (n - 1) for small test sets."""
    examples = len(influences)
    return influences.T @ influences * (examples / max(examples - 1, 1))


@dataclass(frozen=True)
class Prior:
    """What the cells of a run say together about their dispersion; dof 0 means that they say nothing."""

    dispersion: float = 1.0
    dof: float = 0.0
    pooled: float = math.inf  # the residual degrees of freedom of all cells: no cell can have more

    def seed_variance(self, found: Components) -> tuple[float, float]:
        """The moderated variance over seeds and its degrees of freedom; (NaN, 0) where nothing is known."""
        if found.seeds == 1:
            return math.nan, 0.0
        if not found.interaction > 0:
            return found.seed, float(found.dof)
        if self.is_outlier(found):
            return found.seed, float(found.dof)
        weight = self.dof + found.dof
        dispersion = (self.dof * self.dispersion + found.dof * found.dispersion) / weight
        return max(dispersion, 1.0) * found.interaction, min(weight, max(self.pooled, found.dof))

    def is_outlier(self, found: Components, chance: float = 0.001) -> bool:
        """Whether a dispersion this large has less than this chance under the prior (an F test)."""
        from scipy.special import fdtrc

        if self.dof <= 0 or found.dof < 1 or not found.interaction > 0:
            return False
        return float(fdtrc(found.dof, self.dof, found.dispersion / self.dispersion)) < chance


def fit_prior(cells: Sequence[Components]) -> Prior:
    """The prior over cells that have at least two seeds which disagree on some example, without outliers (at
    most one in ten). It needs three such cells; with fewer, each cell stands alone."""
    usable = sorted(
        (cell for cell in cells if cell.dof > 0 and cell.interaction > 0), key=lambda cell: cell.dispersion
    )
    for _ in range(len(usable) // 10):
        without = _moments(usable[:-1])
        if not without.is_outlier(usable[-1]):
            break
        usable.pop()
    return _moments(usable)


def _moments(usable: Sequence[Components]) -> Prior:
    """The prior by the mean and variance of log dispersions (Smyth 2004, section 6.2).

    The variance of true dispersions is taken half a standard error above its estimate: the plain estimate is
    zero every second time when cells differ a little, and a prior that is too sure of itself makes the gate
    raise false alarms (measured by bench.analysis.power)."""
    from scipy.special import digamma, polygamma

    if len(usable) < 3:
        return Prior()
    dof = np.array([cell.dof for cell in usable], dtype=float)
    found = np.array([cell.dispersion for cell in usable])
    floored = np.maximum(found, 1e-5 * np.median(found) + 1e-12)  # seeds that tie by accident: as limma does
    logs = np.log(floored) - digamma(dof / 2) + np.log(dof / 2)
    noise = float(np.mean(polygamma(1, dof / 2)))
    excess = float(np.var(logs, ddof=1)) - noise
    error = math.sqrt((float(np.mean(polygamma(3, dof / 2))) + 2 * noise**2) / len(usable))
    half, pooled = inverse_trigamma(max(excess, 0.0) + error / 2), float(dof.sum())
    if excess <= 0:
        scale = float(np.average(found, weights=dof))
    else:
        scale = float(np.exp(logs.mean() + digamma(half) - np.log(half)))
    return Prior(scale, min(2 * half, pooled), pooled)


def inverse_trigamma(value: float) -> float:
    """The x > 0 whose trigamma is `value`: Newton's method on its reciprocal (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def satterthwaite(variances: Sequence[float], dofs: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variance estimates; infinite for a sum of zero."""
    total = sum(variances)
    spread = sum(variance**2 / dof for variance, dof in zip(variances, dofs, strict=True) if variance > 0)
    return total**2 / spread if spread > 0 else math.inf
