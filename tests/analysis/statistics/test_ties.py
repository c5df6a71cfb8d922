"""Means that differ by rounding are equal."""

from __future__ import annotations

from fractions import Fraction
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from bench.analysis.statistics.ties import equal, levels

SAME, SPREAD = float(np.mean([0.8, 0.8, 0.8])), float(np.mean([0.7, 0.8, 0.9]))


def test_the_case_is_one_of_rounding() -> None:
    assert SAME != SPREAD
    assert equal(SAME, SPREAD)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([SAME, SPREAD], [0, 0]),
        ([0.9, SPREAD, 0.1, SAME], [2, 1, 0, 1]),
        ([0.8, 0.8 + 1e-6], [0, 1]),  # one example of a million
        ([1e9 * SAME, 1e9 * SPREAD, 1e9], [0, 0, 1]),  # an error has any unit
        ([1e-17, 0.0, -1e-17, -1e-5], [1, 1, 1, 0]),  # a correlation of none
        ([0.5], [0]),
        ([], []),
    ],
)
def test_values_that_differ_by_rounding_share_their_place(values: list[float], expected: list[int]) -> None:
    assert levels(np.array(values)).tolist() == expected


def test_places_are_those_of_the_last_axis() -> None:
    values = np.random.default_rng(0).integers(5, size=(7, 3, 4)) / 5
    assert np.array_equal(rankdata(levels(values), axis=-1), rankdata(values, axis=-1))


@given(st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=8))
def test_places_are_those_of_exact_means(counts: list[list[int]]) -> None:
    exact = [Fraction(sum(row), 3 * 20) for row in counts]
    order = {mean: place for place, mean in enumerate(sorted(set(exact)))}
    for average in (fmean, np.mean, lambda values: sum(values[::-1]) / 3):
        means = np.array([average([count / 20 for count in row]) for row in counts])
        assert levels(means).tolist() == [order[mean] for mean in exact]
        for one, first in zip(means, exact, strict=True):
            assert [equal(one, other) for other in means] == [first == second for second in exact]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1.0 + 0.9e-9, True),
        (1.0, 1.0 + 1.1e-9, False),
        (-100.0, -100.0 - 0.9e-7, True),
        (-100.0, -100.0 - 1.1e-7, False),
        (0.0, 0.9e-12, True),
        (0.0, 1.1e-12, False),
    ],
)
def test_rounding_is_a_billionth_of_a_value_and_less_beside_zero(
    one: float, other: float, same: bool
) -> None:
    assert equal(one, other) is equal(other, one) is same
    assert bool(levels(np.array([one, other])).max()) is not same
