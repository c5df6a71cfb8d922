"""Moderated variances: what cells share is used, and what they do not is not assumed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from bench.analysis.statistics.dispersion import INTERVALS, TESTS, Prior, moderated
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.variance import Components


def cell(dispersion: float, seeds: int = 3) -> Components:
    """A cell whose seeds were found to have this dispersion, in units of the interaction."""
    return Components(0.8, seeds, 1000, dispersion if seeds > 1 else math.nan, 1.0, 0.0)


def drawn(true: np.ndarray, dof: int, rng: np.random.Generator) -> list[Components]:
    return [cell(value, dof + 1) for value in true * rng.chisquare(dof, len(true)) / dof]


@pytest.mark.parametrize("prior", [TESTS, INTERVALS])
def test_a_prior_of_the_share_of_wild_cells_sums_to_one(prior: Prior):
    assert sum(probability for _, probability in prior.shares) == pytest.approx(1)
    assert all(0 <= share < 1 for share, _ in prior.shares)


def test_a_cell_alone_stands_on_its_own_seeds():
    noise = moderated([cell(100.0, 6)])[0]
    assert noise.quantile(0.975) == pytest.approx(10 * t.ppf(0.975, 5), rel=0.25)


def test_many_equal_cells_know_their_variance():
    noise = moderated(drawn(np.full(60, 4.0), 4, np.random.default_rng(0)))[0]
    assert noise.quantile(0.975) == pytest.approx(2 * norm.ppf(0.975), rel=0.2)


def test_a_wild_cell_keeps_its_own_noise():
    """A strategy that sometimes collapses is not made to look steady by those that never do."""
    steady = drawn(np.ones(30), 4, np.random.default_rng(0))
    noise = moderated([*steady, cell(200.0, 5)])[-1]
    assert noise.quantile(0.975) > 20
    assert moderated([*steady, cell(1.0, 5)])[-1].quantile(0.975) < 3


def test_one_seed_has_what_other_cells_say():
    steady = drawn(np.ones(30), 4, np.random.default_rng(0))
    assert 1.9 < moderated([*steady, cell(1.0, 1)])[-1].quantile(0.975) < 4


def test_seeds_that_never_disagreed_may_still_differ_on_an_example():
    assert moderated([Components(1.0, 3, 100, 0.0, 0.0, 0.0)])[0].quantile(0.975) > 0.01


@pytest.mark.parametrize(
    "true",
    [
        lambda rng: np.ones(28),
        lambda rng: np.exp(rng.normal(0.5, 1, 28)).clip(1),
        lambda rng: np.where(rng.random(28) < 0.1, 60.0, 1.2),
    ],
    ids=["equal", "spread", "some wild"],
)
def test_tests_of_many_cells_hold_their_error_rate(true):
    """The smallest of 28 one-sided p values, Bonferroni-corrected to 5%, where nothing differs."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(300):
        dispersions = true(rng)
        noises = moderated(drawn(dispersions, 4, rng))
        errors = rng.normal(0, np.sqrt(dispersions))
        p = [noise.tail(error) for noise, error in zip(noises, errors, strict=True)]
        alarms += min(p) * 28 < 0.05
    assert alarms <= 24


def test_the_sum_of_normal_errors_is_normal():
    noise = total([Noise.known(9.0), Noise.known(16.0)])
    assert noise.tail(5.0) == pytest.approx(norm.sf(1))


def test_a_sum_keeps_its_mean_variance():
    noises = moderated(drawn(np.full(4, 5.0), 4, np.random.default_rng(1)))
    added = total(noises)
    wanted = sum(float(noise.weights @ noise.variances) for noise in noises)
    assert float(added.weights @ added.variances) == pytest.approx(wanted)
    assert added.weights.sum() == pytest.approx(1)


def test_a_quantile_has_its_tail():
    noise = moderated([cell(3.0), cell(9.0)])[0]
    assert noise.tail(noise.quantile(0.999)) == pytest.approx(0.001, rel=1e-3)


def test_no_error_is_no_error():
    assert Noise.known(0.0).tail(0.1) == 0
    assert Noise.known(0.0).tail(0.0) == 0.5
