"""Results over tasks: against published tables, by enumeration, and the coverage of the intervals by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import trim_mean

from bench.analysis.statistics.over_tasks import (
    Effect,
    expected_best,
    interquartile_mean,
    log_spread,
    nemenyi,
    random_effects,
)


def test_the_critical_difference_is_that_of_demsar() -> None:
    """Table 5 of Demšar 2006, and the example of section 3.2.2: 4 classifiers on 14 data sets, 1.25."""
    quantiles = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
    for strategies, quantile in enumerate(quantiles, 2):
        scale = (strategies * (strategies + 1) / 6) ** 0.5
        assert nemenyi(strategies, 1) / scale == pytest.approx(quantile, abs=1e-3)
    assert nemenyi(4, 14) == pytest.approx(1.25, abs=5e-3)


def test_the_expected_best_is_the_mean_over_all_draws() -> None:
    scores = [0.7, 0.9, 0.6, 0.8]
    for runs in (1, 2, 3):
        every = [max(draw) for draw in itertools.product(scores, repeat=runs)]
        assert expected_best(scores, runs) == pytest.approx(np.mean(every))


def test_the_interquartile_mean_leaves_out_a_quarter_on_each_side() -> None:
    assert interquartile_mean(np.array([0.0, 0.7, 0.5, 1.0]), np.ones(4, int)) == pytest.approx(0.6)


@pytest.mark.parametrize("most", [1, 5])
@pytest.mark.parametrize("scores", [1, 2, 3, 4, 9, 21, 24])
def test_the_interquartile_mean_is_scipys_of_scores_that_are_repeated(scores: int, most: int) -> None:
    rng = np.random.default_rng(scores)
    values, counts = rng.random((6, scores)), rng.integers(1, most, scores, endpoint=True)
    expected = trim_mean(np.repeat(values, counts, axis=1), 0.25, axis=1)
    assert interquartile_mean(values, counts) == pytest.approx(expected)


def effects(values: np.ndarray, error: float) -> list[Effect]:
    return [Effect(value, error**2, value - 2 * error, value + 2 * error) for value in values.tolist()]


@pytest.mark.parametrize("between", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("tasks", [2, 4, 7])
def test_the_interval_over_tasks_covers_the_mean_of_all_tasks(tasks: int, between: float) -> None:
    rng, hits, repeats = np.random.default_rng(tasks), 0, 400
    for _ in range(repeats):
        values = 0.03 + between * rng.normal(size=tasks) + 0.01 * rng.normal(size=tasks)
        found = random_effects(effects(values, 0.01))
        hits += found.low <= 0.03 <= found.high
    assert hits / repeats >= 0.95 - 2 * (0.95 * 0.05 / repeats) ** 0.5


def test_tasks_that_happen_to_agree_do_not_narrow_the_interval() -> None:
    found = random_effects(effects(np.array([0.1, 0.1, 0.1, 0.1]), 0.01))
    assert found.high - found.low == pytest.approx(2 * 3.182 * 0.01 / 2, rel=1e-3)


def test_tasks_without_noise_still_have_a_mean() -> None:
    found = random_effects(effects(np.array([0.1, 0.2, 0.3]), 0.0))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.1 < 0.3 < found.high


@pytest.mark.parametrize("collapse", [False, True])
def test_the_ratio_of_spreads_is_covered_where_seeds_collapse_too(collapse: bool) -> None:
    rng, hits, repeats = np.random.default_rng(1), 0, 500
    for _ in range(repeats):
        first, second = (_scores(rng, collapse) for _ in range(2))
        found = log_spread(3 * first, second)
        hits += found.low <= np.log(3) <= found.high
    assert hits / repeats >= 0.92


@pytest.mark.parametrize("seeds", [2, 3])
def test_the_ratio_of_spreads_of_few_seeds_is_covered(seeds: int) -> None:
    """By the kurtosis alone 77% of pairs of two seeds were."""
    rng, repeats = np.random.default_rng(2), 1000
    found = [
        log_spread(rng.normal(size=seeds).tolist(), rng.normal(size=seeds).tolist()) for _ in range(repeats)
    ]
    assert sum(item.low <= 0 <= item.high for item in found) / repeats >= 0.93


def _scores(rng: np.random.Generator, collapse: bool) -> np.ndarray:
    scores = 0.01 * rng.normal(size=20)
    return scores - (0.3 * (rng.random(20) < 0.3) if collapse else 0.0)


def test_equal_seeds_have_no_spread() -> None:
    with pytest.raises(ValueError, match="same score"):
        log_spread([0.8, 0.8], [0.7, 0.9])
