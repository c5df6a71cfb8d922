"""Results over tasks, and over repeated runs: tasks are a sample, as seeds and examples are.

An effect over tasks is the mean of a random-effects model (DerSimonian & Laird 1986; the variance between tasks by
Paule & Mandel 1982), with the interval of Hartung & Knapp 2001 (Statistics in Medicine 20), which is right for few
tasks. It is never narrower than the interval without their correction (Röver, Knapp & Friede 2015, BMC Medical
Research Methodology 15).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.05
TINY = 1e-12  # so that a task without noise has a weight too


@dataclass(frozen=True)
class Effect:
    """A difference, or the logarithm of a ratio, with the variance of its error and its 95% interval."""

    value: float
    variance: float
    low: float
    high: float


def random_effects(effects: Sequence[Effect]) -> Effect:
    """The mean over tasks of which these are a sample, two at least."""
    from statsmodels.stats.meta_analysis import combine_effects

    values = np.array([effect.value for effect in effects])
    variances = np.array([effect.variance for effect in effects]) + TINY
    with np.errstate(divide="ignore", invalid="ignore"):  # I² of equal effects, which is not read
        found: Any = combine_effects(values, variances, method_re="iterated", alpha=LEVEL)
    error = max(float(found.sd_eff_w_re), float(found.sd_eff_w_re_hksj))
    mean, half = float(found.mean_effect_re), student(len(effects) - 1) * error
    return Effect(mean, error**2, mean - half, mean + half)


def student(dof: int) -> float:
    """The 97.5% quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, 1 - LEVEL / 2))


def expected_best(scores: Sequence[float] | np.ndarray, runs: int) -> float:
    """The expected maximum of `runs` draws from these scores, with replacement (Dodge et al. 2019, EMNLP,
    arXiv 1909.03004, equation 7). Fewer scores than runs understate it."""
    ordered = np.sort(np.asarray(scores, dtype=float))
    ranks = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.diff(ranks**runs) @ ordered)


def interquartile_mean(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean without the lowest and the highest quarter (Agarwal et al. 2021, NeurIPS, arXiv 2108.13264) of
    scores [..., scores], of which each stands for so many equal ones: counts, whole numbers [scores]. As scipy's
    trim_mean, a quarter is rounded down to whole ones."""
    order = np.argsort(scores, axis=-1)
    reached, total = np.cumsum(counts[order], axis=-1), int(counts.sum())
    least = total // 4
    kept = np.diff(np.clip(reached, least, total - least), axis=-1, prepend=least)
    return (np.take_along_axis(scores, order, axis=-1) * kept).sum(-1) / (total - 2 * least)


def nemenyi(strategies: int, tasks: int) -> float:
    """The difference of two mean ranks above which the strategies differ at 5% over all pairs (Nemenyi 1963; Demšar
    2006, JMLR 7, section 3.2.2)."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - LEVEL, strategies, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(strategies * (strategies + 1) / (6 * tasks))


def log_spread(first: Sequence[float], second: Sequence[float]) -> Effect:
    """The logarithm of the ratio of two standard deviations, with an interval that holds without normal scores
    (Bonett 2006, Computational Statistics & Data Analysis 50: by the pooled kurtosis). Seeds that collapse make
    scores far from normal, where the F test is wrong. It is no narrower than the interval of normal scores: few
    seeds say little of their kurtosis.

    ValueError where one of the two has no spread."""
    samples = [np.asarray(scores, dtype=float) for scores in (first, second)]
    deviations = [float(np.std(sample, ddof=1)) for sample in samples]
    if min(deviations) <= 0:
        raise ValueError("all seeds have the same score")
    counts = [len(sample) for sample in samples]
    scaled = [sample / deviation for sample, deviation in zip(samples, deviations, strict=True)]
    fourth = sum(float(np.sum((sample - _trimmed(sample)) ** 4)) for sample in scaled)
    kurtosis = sum(counts) * fourth / (sum(counts) - 2) ** 2
    variance = sum((kurtosis - (n - 3) / n) / (n - 1) for n in counts) / 4
    value, half = math.log(deviations[0] / deviations[1]), 1.96 * math.sqrt(variance)
    one, other = (count - 1 for count in counts)
    down, up = max(half, _of_normal(one, other)), max(half, _of_normal(other, one))
    return Effect(value, ((down + up) / 2 / 1.96) ** 2, value - down, value + up)


def _of_normal(first: int, second: int) -> float:
    """How far below the logarithm of a ratio of standard deviations the interval of normal scores begins, by F.
    first, second: degrees of freedom."""
    from scipy.special import fdtri

    return math.log(float(fdtri(first, second, 1 - LEVEL / 2))) / 2


def _trimmed(sample: np.ndarray) -> float:
    """The mean without the share of 1 / (2 √(n - 4)) on each side, as Bonett has it."""
    from scipy.stats import trim_mean

    share = 1 / (2 * math.sqrt(max(len(sample) - 4, 1)))
    return float(trim_mean(sample, min(share, 0.49)))
