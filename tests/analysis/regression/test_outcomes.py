"""What a seed predicts on several test sets, column by column."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.regression.outcomes import Outcomes, Predicted, same_outcomes
from bench.contracts import Metric

ACCURACY = Metric("accuracy", "mean", ("correct",))


def outcomes(**correct: list[float]) -> Outcomes:
    """By test set."""
    tests = {test: Predicted({"id": np.arange(2), "correct": np.array(own)}) for test, own in correct.items()}
    return Outcomes(tests, ACCURACY)


BASE = {"test": [1.0, 1.0], "near": [1.0, 0.0], "far": [0.0, 0.0]}


def test_every_test_set_has_columns_of_its_own() -> None:
    found = outcomes(**BASE)
    assert list(found) == ["correct", "correct of near", "correct of far"]
    assert len(set(found.values())) == 3


@pytest.mark.parametrize("test", BASE)
def test_a_change_on_any_test_set_is_seen(test: str) -> None:
    assert same_outcomes([outcomes(**BASE)], [outcomes(**BASE)])
    assert not same_outcomes([outcomes(**BASE)], [outcomes(**{**BASE, test: [0.0, 1.0]})])


def test_the_columns_of_the_metric_come_first_and_of_them_the_predicted() -> None:
    columns = {name: np.array(["a"], object) for name in ("id", "reference", "note", "prediction")}
    found = Outcomes({"test": Predicted(columns)}, Metric("f1", "macro_f1"))
    assert list(found) == ["prediction", "reference", "note"]
