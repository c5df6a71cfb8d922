"""Bounds on the noise of many pairs, part by part, and close below what they bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from bench.analysis.statistics.familywise import SHARES
from bench.analysis.statistics.floors import Parts, floors, mixtures
from bench.analysis.statistics.noise import BINS, Noise


def test_the_parts_of_five_equal_weights() -> None:
    """Each part begins at the last variance from which on there is still its weight."""
    found = Parts.of(Noise(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.full(5, 0.2)))
    assert found.least.tolist() == [1, 1, 2, 3, 4, 5, 5, 5]
    assert found.weights == pytest.approx([0, 0.2, 0.2, 0.2, 0.2, 0, 0, 0.2])
    assert found.ends == (1.0, 5.0)


def test_the_parts_of_one_variance() -> None:
    found = Parts.of(Noise.known(3.0))
    assert found.least.tolist() == [3.0] * 8
    assert found.weights.tolist() == [0.0] * 7 + [1.0]


FIRST = Parts(np.array([0.7, 0.3]), np.array([1.0, 4.0]), (1.0, 9.0))
OTHERS = [
    Parts(np.array([0.6, 0.4]), np.array([2.0, 3.0]), (2.0, 5.0)),
    Parts(np.array([0.85, 0.15]), np.array([0.5, 20.0]), (0.5, 40.0)),
    Parts(np.array([0.8, 0.2]), np.array([1.0, 2.0]), (1.0, 2.0)),
]
SEEDS = np.array([4, 2, 1])
EXAMPLES = np.array([[0.1, 0.2, 0.3], [0.1, 0.8, 0.3]])
"""The variance over examples is known in the first pair and the last."""


def by_loops() -> list[list[tuple[float, float]]]:
    """The deviations and weights of each pair. A sum of variances is thinned once for each that is not known."""
    pairs = []
    for place, (other, seeds) in enumerate(zip(OTHERS, SEEDS.tolist(), strict=True)):
        share = 1 / seeds if seeds > 1 else 0.0
        low, high = (EXAMPLES[end, place] + share * (FIRST.ends[end] + other.ends[end]) for end in (0, 1))
        times = 1 if EXAMPLES[0, place] == EXAMPLES[1, place] else 2
        pairs.append(
            [
                (
                    math.sqrt((EXAMPLES[0, place] + share * (one + two)) * (low / high) ** (times / BINS)),
                    weight * own,
                )
                for one, weight in zip(FIRST.least.tolist(), FIRST.weights.tolist(), strict=True)
                for two, own in zip(other.least.tolist(), other.weights.tolist(), strict=True)
            ]
        )
    return pairs


def test_the_parts_of_a_pair_are_those_of_both_groups() -> None:
    deviations, weights = mixtures(FIRST, OTHERS, SEEDS, EXAMPLES)
    expected = np.array(by_loops())
    assert deviations == pytest.approx(expected[..., 0], rel=3e-6)
    assert weights == pytest.approx(expected[..., 1], rel=3e-6)
    assert (deviations < expected[..., 0]).all()  # a bound, whatever the rounding
    assert (weights < expected[..., 1]).all()


def test_a_p_value_is_at_least_that_of_the_parts() -> None:
    differences = np.array([-1.5, 4.0, 0.6])
    found = floors(FIRST, OTHERS, SEEDS, EXAMPLES, differences)
    expected = [
        2 * sum(weight * norm.sf(abs(difference) / deviation) for deviation, weight in parts)
        for difference, parts in zip(differences.tolist(), by_loops(), strict=True)
    ]
    assert found.p == pytest.approx(expected, rel=2e-5)
    assert (found.p < expected).all()


def test_a_spread_is_the_largest_that_has_its_share_of_the_weight() -> None:
    found = floors(FIRST, OTHERS, SEEDS, EXAMPLES, np.ones(3))
    for spreads, parts in zip(found.spreads, by_loops(), strict=True):
        ordered = sorted(parts, reverse=True)
        sums = np.cumsum([weight for _, weight in ordered])
        expected = [ordered[int(np.argmax(sums >= share))][0] for share in SHARES]
        assert spreads == pytest.approx(expected, rel=3e-6)
        assert (spreads < expected).all()
