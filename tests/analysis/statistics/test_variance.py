"""Variance components are those of the crossed design, and intervals cover what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.regression.synthetic import outcomes
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.variance import Components, components, linear_covariance


def observed(seeds: int, examples: int, noise: float, rng: np.random.Generator) -> Components:
    right = outcomes(examples, seeds, noise, rng)
    return components(right.mean(0), linear_covariance((right - right.mean(0)) / examples), examples)


def truth(noise: float) -> float:
    """The mean score over all seeds and examples: the logit is normal with this spread."""
    return float(
        (1 / (1 + np.exp(-np.random.default_rng(9).normal(1.5, math.hypot(2.5, noise), 2_000_000)))).mean()
    )


@pytest.mark.parametrize("cells", [1, 15], ids=["alone", "moderated"])
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3], ids=["examples", "both", "seeds"])
def test_nominal_95_percent_intervals_cover_at_least_92(cells, seeds, noise):
    """And at most 98% where a table's cells tell how noisy its seeds are; a cell alone is wider on purpose."""
    rng = np.random.default_rng(0)
    centre, covered = truth(noise), []
    for _ in range(1800 // cells):  # the share itself is then known to about half a point
        run = {cell: observed(seeds, 500, noise, rng) for cell in range(cells)}
        covered += [item.low <= centre <= item.high for item in intervals(run).values()]
    assert 0.92 <= np.mean(covered) <= (1.0 if cells == 1 else 0.98)


def test_moderated_intervals_are_narrower():
    rng = np.random.default_rng(2)
    run = {cell: observed(3, 500, 0.3, rng) for cell in range(30)}
    alone = np.mean([intervals({0: parts})[0].half for parts in run.values()])
    assert np.mean([item.half for item in intervals(run).values()]) < 0.95 * alone


def test_components_are_unbiased():
    rng = np.random.default_rng(3)
    found = [observed(4, 300, 0.2, rng) for _ in range(800)]
    means = np.array([parts.mean for parts in found])
    claimed = np.mean([parts.seed / parts.seeds + parts.example for parts in found])
    assert claimed == pytest.approx(means.var(ddof=1), rel=0.12)


def test_equal_seeds_have_no_seed_variance():
    right = np.repeat(outcomes(200, 1, 0.0, np.random.default_rng(0)), 3, axis=1)
    parts = components(right.mean(0), linear_covariance((right - right.mean(0)) / 200), 200)
    assert (parts.seed, parts.interaction) == pytest.approx((0, 0), abs=1e-12)
    assert parts.example == pytest.approx(right[:, 0].var(ddof=1) / 200)


def test_one_seed_gives_an_interval_over_examples_alone():
    parts = observed(1, 400, 0.1, np.random.default_rng(0))
    half = intervals({0: parts})[0].half
    assert half == pytest.approx(1.96 * math.sqrt(parts.mean * (1 - parts.mean) / 400), rel=0.02)
