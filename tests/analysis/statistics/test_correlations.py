"""Correlations as means over examples: the mean is the correlation, each value the influence of its example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import matthews_corrcoef

from bench.analysis.statistics import correlations

EXAMPLES = 25
COPIES = 400
"""Of every example, so that one more of an example is a small change of its weight."""

Sides = tuple[np.ndarray, np.ndarray]


def _numbers(levels: int) -> Sides:
    """Scores that agree in part; `levels` of them, so that many are equal."""
    rng = np.random.default_rng(levels)
    truth = rng.normal(size=EXAMPLES)
    said = truth + rng.normal(size=EXAMPLES)
    return np.round(truth * levels), np.round(said * levels)


def _labels(count: int) -> Sides:
    rng = np.random.default_rng(count)
    truth = rng.integers(0, count, EXAMPLES)
    said = np.where(rng.random(EXAMPLES) < 0.6, truth, rng.integers(0, count, EXAMPLES))
    names = np.array([f"label {number}" for number in range(count)], dtype=object)
    return names[truth], names[said]


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    found: Any = stats.pearsonr(first, second)
    return found[0]


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    found: Any = stats.spearmanr(first, second)
    return found[0]


def _mcc(first: np.ndarray, second: np.ndarray) -> float:
    return float(matthews_corrcoef(first, second))


CASES = {
    "pearson": (correlations.pearson, _pearson, _numbers(1000)),
    "pearson, equal values": (correlations.pearson, _pearson, _numbers(2)),
    "spearman": (correlations.spearman, _spearman, _numbers(1000)),
    "spearman, equal values": (correlations.spearman, _spearman, _numbers(2)),
    "mcc of 2 labels": (correlations.mcc, _mcc, _labels(2)),
    "mcc of 4 labels": (correlations.mcc, _mcc, _labels(4)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_mean_is_the_correlation(name: str) -> None:
    ours, theirs, sides = CASES[name]
    assert ours(*sides).mean() == pytest.approx(theirs(*sides), abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_what_its_example_adds(name: str) -> None:
    """Against the correlation with a little more of one example, by the field's own scorers."""
    ours, theirs, sides = CASES[name]
    values = ours(*sides)
    many: Sides = (np.repeat(sides[0], COPIES), np.repeat(sides[1], COPIES))
    before = theirs(*many)
    for place in range(0, EXAMPLES, 4):
        more = [np.append(all_copies, side[place]) for all_copies, side in zip(many, sides, strict=True)]
        slope = (theirs(more[0], more[1]) - before) * EXAMPLES * COPIES
        assert values[place] - values.mean() == pytest.approx(slope, abs=0.01), place


@pytest.mark.parametrize("ours", [correlations.pearson, correlations.spearman, correlations.mcc])
def test_a_side_that_does_not_vary_has_no_correlation(ours: Callable[..., np.ndarray]) -> None:
    same, varied = np.array([2.0] * 4), np.array([1.0, 2.0, 3.0, 4.0])
    assert ours(same, varied).tolist() == [0.0] * 4
    assert ours(varied, same).tolist() == [0.0] * 4


def test_values_that_vary_by_rounding_alone_do_not_vary() -> None:
    nearly = 1e6 * (0.1 + 0.2) + np.array([0.0, 1e-10, 0.0, 1e-10])
    assert np.ptp(nearly) > 0
    assert correlations.pearson(nearly, np.arange(4.0)).tolist() == [0.0] * 4


def test_no_examples_have_no_values() -> None:
    assert correlations.pearson(np.array([]), np.array([])).tolist() == []


@pytest.mark.parametrize(("width", "varies"), [(0.9e-12, False), (1.5e-12, True)])
def test_small_values_vary_by_more_than_rounding_or_not(width: float, varies: bool) -> None:
    found = correlations.pearson(np.array([0.0, width, 0.0, width]), np.arange(4.0))
    assert found.any() == varies


def test_of_no_examples_no_kind_has_values() -> None:
    assert correlations.spearman(np.array([]), np.array([])).tolist() == []
