"""Errors with an uncertain variance: short ways give the numbers of the plain ones, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import ndtr, ndtri, stdtrit

from bench.analysis.statistics.dispersion import DISPERSIONS
from bench.analysis.statistics.noise import BINS, MANY, NARROW, TINY, Noise, _cells, _Tails, _thinned, total

RNG = np.random.default_rng(2)


def grid(scale: float, sharp: float) -> Noise:
    """As of a cell: most weight at some dispersion, a little at every other."""
    logs = np.log(DISPERSIONS)
    weights = (1 + ((logs - RNG.uniform(0, 4)) / sharp) ** 2 / 3) ** -2
    return Noise(DISPERSIONS * scale, weights / weights.sum())


NOISES = [
    Noise.known(0.0),
    Noise.known(1e-4),
    Noise(np.array([0.0, 1.0]), np.array([0.5, 0.5])),
    Noise(np.array([0.0, 1e-8, 1.0]), np.array([0.999, 0.0, 0.001])),
    Noise(np.array([4.0, 1.0, 9.0]), np.array([0.2, 0.3, 0.5])),
    *(grid(10 ** RNG.uniform(-9, -1), sharp) for sharp in (0.05, 0.3, 1.0, 3.0) for _ in range(5)),
    *(total([Noise.known(1e-5), grid(1e-6, 0.2), grid(1e-5, 0.7)]) for _ in range(5)),
]


def bisected(noise: Noise, probability: float) -> float:
    """With a tail in every step."""
    low, high = (float(ndtri(probability)) * np.sqrt([noise.variances.min(), noise.variances.max()])).tolist()
    deviations = np.sqrt(noise.variances + TINY)[None]
    while high - low > NARROW * high:
        middle = (low + high) / 2
        tail = ndtr(-middle / deviations) @ noise.weights
        low, high = (middle, high) if tail[0] > 1 - probability else (low, middle)
    return high


@pytest.mark.parametrize("probability", [0.501, 0.8, 0.9, 0.975, 1 - 1e-6, 1 - 1e-12])
def test_a_quantile_is_that_of_a_plain_bisection(probability: float) -> None:
    for noise in NOISES:
        assert noise.quantile(probability) == bisected(noise, probability)


def summed(noises: Sequence[Noise]) -> Noise:
    """Every variance with every other, also where one is known."""
    found = noises[0]
    for other in noises[1:]:
        variances = np.add.outer(found.variances, other.variances).ravel()
        weights = np.multiply.outer(found.weights, other.weights).ravel()
        found = _thinned(Noise(variances, weights))
    return found


@pytest.mark.parametrize("known", [0.0, 1e-7, 1e-3])
def test_a_sum_that_begins_with_a_known_error_is_that_of_any_two(known: float) -> None:
    for _ in range(20):
        parts = [Noise.known(known), grid(1e-5, 0.3), grid(10 ** RNG.uniform(-8, -2), 1.0)]
        for count in (2, 3):
            found, expected = total(parts[:count]), summed(parts[:count])
            assert np.array_equal(found.variances, expected.variances)
            assert np.array_equal(found.weights, expected.weights)
            assert len(found.variances) <= BINS


def test_a_quantile_needs_few_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    """In nine of ten cases ten at most; a plain bisection needs forty."""
    counts, plain = [0], _Tails.at

    def counted(tails: _Tails, x: float) -> float:
        counts[-1] += 1
        return plain(tails, x)

    monkeypatch.setattr(_Tails, "at", counted)
    for noise in NOISES:
        for probability in (0.8, 0.975, 1 - 1e-6):
            noise.quantile(probability)
            counts.append(0)
    assert np.quantile(counts[:-1], 0.9) <= 10


def test_from_where_a_variance_counts_as_known_students_interval_is_wider_by_little() -> None:
    assert stdtrit(MANY, 0.975) / ndtri(0.975) - 1 == pytest.approx(0.006, abs=5e-4)


def test_the_ends_of_students_variances() -> None:
    found = Noise.student(1.0, 4.3)
    assert Noise.factors(4.3) == (found.variances.min(), found.variances.max())
    assert found.variances.min() < 0.2 < 10 < found.variances.max()
    for dof in (MANY, math.inf):
        assert Noise.factors(dof) == (1.0, 1.0)


def test_a_sum_of_as_many_variances_as_there_are_cells_is_exact() -> None:
    estimated = Noise.student(1.0, 5.0)
    found = total([Noise.known(3.0), estimated])
    assert len(found.variances) == BINS
    assert found.variances.tolist() == (3.0 + estimated.variances).tolist()


def test_the_cell_of_no_variance_is_the_first() -> None:
    variances = np.append(0.0, np.geomspace(1e-9, 1.0, 3 * BINS))
    logs = np.log(variances + TINY)
    edges = np.linspace(logs[0], logs[-1], BINS + 1)[1:-1]
    assert np.array_equal(_cells(variances), np.digitize(logs, edges))
