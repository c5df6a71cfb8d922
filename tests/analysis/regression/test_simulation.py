"""Simulated seeds: cells at the ends of the range, and which examples a shift takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.analysis.regression.simulation import Pool, Simulator, shifted
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.variance import Components
from bench.contracts import Metric
from tests.analysis.conftest import make_record

ACCURACY = Metric("accuracy", "mean", ("correct",))
SIDES = {"reference": "gold", "prediction": "predicted"}


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_seeds_that_always_agree_at_an_end_of_the_range_stay_there(score: float) -> None:
    rows = {"id": np.arange(50), "correct": np.full(50, score)}
    pool = Pool(make_record(), ACCURACY, (rows, rows), Components(score, 2, 50, 0.0, 0.0, 0.0))
    rng = np.random.default_rng(0)
    found = pool.seed(np.arange(50), rng.random(50), rng)
    assert found["correct"].tolist() == [score] * 50


@pytest.mark.parametrize(("asked", "count", "again"), [(50, 40, False), (125, 100, False), (250, 200, True)])
def test_examples_are_drawn_again_only_where_there_are_not_as_many(
    asked: int, count: int, again: bool
) -> None:
    found = Simulator({}, 2, asked, np.random.default_rng(0))._chosen(5, 100).tolist()
    assert (len(found), len(set(found)) < count) == (count, again)
    assert found == sorted(found)


def test_wrong_answers_keep_their_label_where_the_score_falls() -> None:
    """The first is wrong: another wrong label would be another prediction, and no drop."""
    labels = np.array(["a", "b", "c", "a"], object)
    rows = {"reference": labels, "prediction": np.array(["b", "b", "c", "a"], object)}
    found = shifted(rows, Metric("f1", "macro_f1"), -1 / 4, np.array([1.5e-6, 0.5, 0.1, 0.9]))
    assert found["prediction"].tolist() == ["b", "b", "a", "a"]


def test_what_an_entity_that_was_said_too_often_adds_to_f1() -> None:
    """F1 is 2 x 3 / (7 + 7). Made right, the examples add 0.03, 0.32 and 0.22 to it, to first order: each the
    change of 2 t less F1 times that of p + g, over 14. So the last is taken before the second."""
    metric = Metric("f1", "f1", ("found", "said", "gold"))
    rows = {
        "found": np.array([1.0, 0.0, 2.0]),
        "said": np.array([2.0, 3.0, 2.0]),
        "gold": np.array([1.0, 2.0, 4.0]),
    }
    found = shifted(rows, metric, 0.3, np.zeros(3))
    assert {name: values.tolist() for name, values in found.items()} == {
        "found": [1, 0, 4],
        "said": [1, 3, 4],
        "gold": [1, 2, 4],
    }


@pytest.mark.parametrize("by", [-0.06, 0.04])
@pytest.mark.parametrize("kind", ["mcc", "macro_f1", "spearman", "pearson"])
def test_a_score_that_is_no_mean_of_examples_moves_as_far_as_asked(kind: Any, by: float) -> None:
    """Six points of accuracy are some twelve of Matthews' correlation, and an example has no part of a rank
    correlation of its own."""
    rng, columns = np.random.default_rng(0), ("gold", "predicted") if kind in ("spearman", "pearson") else ()
    gold = rng.normal(size=1000)
    said = gold + 0.5 * rng.normal(size=1000)
    rows = {"gold": gold, "predicted": said}
    rows |= {name: np.where(rows[side] > 0, "y", "n").astype(object) for name, side in SIDES.items()}
    metric = Metric("m", kind, columns)
    found = shifted(rows, metric, by, rng.random(1000))
    assert ratios(metric, found).score() - ratios(metric, rows).score() == pytest.approx(by, abs=0.006)
    assert np.array_equal(found["gold"], gold)
