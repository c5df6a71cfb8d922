"""Intervals cover what they claim, and moderation does what its paper says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import polygamma

from bench.analysis.intervals import interval, intervals
from bench.analysis.synthetic import outcomes
from bench.analysis.variance import (
    Components,
    Prior,
    components,
    fit_prior,
    inverse_trigamma,
    linear_covariance,
    satterthwaite,
)


def observed(seeds: int, examples: int, noise: float, rng: np.random.Generator) -> Components:
    right = outcomes(examples, seeds, noise, rng)
    return components(right.mean(0), linear_covariance((right - right.mean(0)) / examples), examples)


def truth(noise: float) -> float:
    """The mean score over all seeds and examples: the logit is normal with this spread."""
    return float(
        (1 / (1 + np.exp(-np.random.default_rng(9).normal(1.5, math.hypot(2.5, noise), 2_000_000)))).mean()
    )


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3], ids=["examples", "both", "seeds"])
def test_nominal_95_percent_intervals_cover_between_92_and_98(seeds, noise):
    rng = np.random.default_rng(0)
    found = [observed(seeds, 500, noise, rng) for _ in range(1500)]
    centre = truth(noise)
    covered = np.mean([abs(parts.mean - centre) <= interval(parts).half for parts in found])
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3], ids=["examples", "both", "seeds"])
def test_moderated_intervals_cover_between_92_and_98(seeds, noise):
    rng = np.random.default_rng(1)
    centre = truth(noise)
    covered = []
    for _ in range(100):
        run = {cell: observed(seeds, 500, noise, rng) for cell in range(15)}
        covered += [abs(item.mean - centre) <= item.half for item in intervals(run).values()]
    assert 0.92 <= np.mean(covered) <= 0.98


def test_moderated_intervals_are_narrower():
    rng = np.random.default_rng(2)
    run = {cell: observed(3, 500, 0.3, rng) for cell in range(30)}
    alone = np.mean([interval(parts).half for parts in run.values()])
    assert np.mean([item.half for item in intervals(run).values()]) < 0.9 * alone


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
    half = interval(parts).half
    assert half == pytest.approx(1.96 * math.sqrt(parts.mean * (1 - parts.mean) / 400), rel=0.02)


def test_a_cell_alone_has_no_prior():
    assert fit_prior([observed(3, 100, 0.1, np.random.default_rng(0))]) == Prior()


def test_cells_with_one_dispersion_have_a_strong_prior():
    rng = np.random.default_rng(4)
    prior = fit_prior([observed(3, 500, 0.0, rng) for _ in range(200)])
    assert prior.dof > 10
    assert prior.dispersion == pytest.approx(1, abs=0.15)


def test_a_prior_is_recovered():
    """Dispersions drawn from the model of Smyth 2004: prior of 8 degrees of freedom about 2."""
    rng = np.random.default_rng(5)
    true = 2.0 * 8 / rng.chisquare(8, 4000)
    cells = [Components(0.8, 3, 100, value * rng.chisquare(2) / 2, 1.0, 0.0) for value in true]
    prior = fit_prior(cells)
    assert prior.dof == pytest.approx(8, rel=0.35)
    assert prior.dispersion == pytest.approx(2, rel=0.1)


def test_an_unstable_cell_stands_on_its_own_seeds():
    rng = np.random.default_rng(6)
    cells = [observed(3, 500, 0.0, rng) for _ in range(30)]
    wild = Components(0.7, 3, 500, 0.04, 1e-4, 1e-4)
    prior = fit_prior([*cells, wild])
    assert prior.seed_variance(wild) == (wild.seed, 2.0)


@pytest.mark.parametrize("x", [0.05, 0.7, 3.0, 40.0])
def test_inverse_trigamma_inverts_trigamma(x):
    assert inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def test_satterthwaite_of_equal_parts_adds_their_degrees_of_freedom():
    assert satterthwaite([1.0, 1.0], [4, 4]) == pytest.approx(8)


def test_satterthwaite_of_nothing_is_infinite():
    assert satterthwaite([0.0], [3]) == math.inf
