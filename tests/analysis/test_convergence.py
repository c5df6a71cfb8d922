"""Epochs and seconds to a share of the best validation score."""

from __future__ import annotations

import pytest

from bench.analysis import convergence
from bench.analysis.tables.build import build
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


def losing(*losses: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=n, epoch=n, seconds=n, phase=1, train_loss=1, loss=loss, score=0.5)
        for n, loss in enumerate(losses, 1)
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((0.9, 0.7, 0.6), True),
        ((0.9, 0.6, 0.597), False),  # by half a percent: the end of a decaying rate
        ((0.9, 0.5, 0.6), False),  # an earlier state is kept
        ((0.5, 0.9, 0.6), False),  # falling, but not the best
        ((0.6,), False),
        ((), False),
    ],
)
def test_a_run_is_unconverged_where_its_last_state_is_best_and_still_falls(losses, expected):
    assert convergence.unconverged(make_record(curve=losing(*losses))) is expected


def test_a_failed_run_is_not_called_unconverged():
    assert not convergence.unconverged(make_record(curve=losing(0.9, 0.5), status="failed"))


def test_the_table_names_the_strategies_whose_budget_ended_early():
    early, enough = losing(0.9, 0.6), losing(0.9, 0.899)
    records = [make_record(strategy="full", seed=n, curve=early if n else enough) for n in range(3)]
    records += [make_record(strategy="frozen", seed=n, curve=enough) for n in range(3)]
    (note,) = [note for note in build(records).notes if note.startswith("Not converged")]
    assert "2 of 6" in note
    assert "(full 2 of 3)" in note
    assert not any("converged" in note for note in build(records[3:]).notes)
