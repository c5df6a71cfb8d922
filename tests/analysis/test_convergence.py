"""Epochs and seconds to a share of the best validation score; scores on other domains."""

from __future__ import annotations

import pytest

from bench.analysis import convergence, shift
from bench.contracts import BenchError
from bench.record import Point
from tests.analysis.conftest import make_predictions, make_record


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
    with pytest.raises(BenchError, match="no record has a learning curve"):
        convergence.build([make_record(curve=())])


def shifted(seed: int):
    scores = {"test": {"accuracy": 0.8}, "tweets": {"accuracy": 0.6 + 0.01 * seed}}
    return make_record(seed=seed, scores=scores)


def test_a_shift_table_has_a_column_a_domain():
    table = shift.build([shifted(0), shifted(1)])
    assert [column.heading for column in table.columns] == ["source", "out of domain", "drop", "→ tweets"]
    entries = table.blocks[0].rows[0].entries
    assert [entry.value for entry in entries] == pytest.approx([0.8, 0.605, 0.195, 0.605])


def test_out_of_domain_is_the_mean_over_the_targets():
    scores = {"test": {"accuracy": 0.8}, "tweets": {"accuracy": 0.6}, "news": {"accuracy": 0.5}}
    (row,) = shift.build([make_record(scores=scores)]).blocks[0].rows
    assert [entry.value for entry in row.entries[1:3]] == pytest.approx([0.55, 0.25])


def test_a_shift_table_has_intervals_on_each_domain():
    import numpy as np

    def predictions(_: str):
        rows = make_predictions(np.arange(300) % 4 > 0)
        rows["split"] = np.array(["test"] * 200 + ["tweets"] * 100, dtype=object)
        return rows

    entries = shift.build([shifted(0), shifted(1)], predictions).blocks[0].rows[0].entries
    assert entries[0].spread is not None
    assert entries[1].spread is not None
    source, elsewhere, drop, tweets = (entry.spread for entry in entries)
    assert source < tweets
    assert elsewhere == pytest.approx(tweets)
    assert drop == pytest.approx((source**2 + tweets**2) ** 0.5, rel=0.2)


def test_no_other_domain_is_an_error():
    with pytest.raises(BenchError, match="no task of this run has test sets of other domains"):
        shift.build([make_record()])
