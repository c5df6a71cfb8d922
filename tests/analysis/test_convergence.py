"""Epochs and seconds to a share of the best validation score."""

from __future__ import annotations

import pytest

from bench.analysis import convergence
from bench.contracts import BenchError
from bench.runs.record import Point
from tests.analysis.conftest import make_record


def curve(*scores: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=n, epoch=n / 2, seconds=10.0 * n, phase=1, train_loss=1, loss=1, score=score)
        for n, score in enumerate(scores, 1)
    )


def test_the_first_point_above_the_share_is_when_it_is_reached():
    point = convergence.reached(curve(0.5, 0.73, 0.71, 0.8), 0.9)
    assert point is not None
    assert point.step == 2


def test_an_empty_curve_reaches_nothing():
    assert convergence.reached((), 0.9) is None


def test_the_table_has_medians_over_seeds():
    records = [
        make_record(seed=n, curve=curve(*scores))
        for n, scores in enumerate([(0.8,), (0.1, 0.8), (0.1, 0.1, 0.8)])
    ]
    row = convergence.build(records).blocks[0].rows[0]
    assert [entry.value for entry in row.entries] == [0.8, 1.0, 20.0, 1.0, 20.0]


def test_no_curve_is_an_error():
    with pytest.raises(BenchError) as error:
        convergence.build([make_record(curve=())])
    assert error.value.code == "no-learning-curve"
