"""The order of classes, and the bounds of a class of which nothing was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.analysis.class_counts import class_names, count_classes, units
from bench.analysis.statistics.metrics import exact_interval


def rows(reference: list[str], prediction: list[str]) -> dict[str, Any]:
    return {"reference": np.array(reference, object), "prediction": np.array(prediction, object)}


def test_a_class_that_is_only_predicted_comes_after_all_that_are_there() -> None:
    """However often, and by however many seeds; equal ones are in order of their names."""
    first, second = rows(["b", "b", "z"], ["a"] * 3), rows(["b", "b", "z"], ["a", "c", "a"])
    assert class_names("classification", [first, second]) == ("b", "z", "a", "c")
    assert class_names("classification", [rows(["z", "y"], ["z", "y"])]) == ("y", "z")


def test_the_support_of_a_class_is_that_of_one_table() -> None:
    """Further seeds have the same references, however many of their sentences are alike."""
    table = rows(["B-B"] * 5 + ["B-A B-A B-A B-A"], ["O"] * 5 + ["O O O O"])
    assert class_names("ner", [table] * 3) == ("B", "A")


def test_the_classes_of_several_labels_are_counted_one_by_one() -> None:
    table = rows(['["a", "b"]', '["b"]', "[]"], ['["b"]', '["b", "c"]', '["c"]'])
    assert class_names("multilabel", [table]) == ("b", "a", "c")
    found = count_classes("multilabel", ("a", "b", "c"), table)
    assert (found.right.sum(0).tolist(), found.said.sum(0).tolist(), found.gold.sum(0).tolist()) == (
        [0, 2, 0],
        [0, 2, 2],
        [1, 2, 0],
    )
    assert units("multilabel", '["a"]') == units("classification", "a") == frozenset({("a", 0, 0)})


@pytest.mark.parametrize("kind", ["precision", "recall", "F1"])
def test_a_class_of_which_nothing_was_found_has_the_bound_of_its_measure(kind: str) -> None:
    """Of 24 units a share of 14% may be right; an F1 then is 25%."""
    table = rows(["a"] * 24 + ["b"] * 24, ["b"] * 24 + ["a"] * 24)
    found = exact_interval([count_classes("classification", ("a",), table).ratios(kind, 0)])
    share = 1 - 0.025 ** (1 / (48 if kind == "F1" else 24))
    assert found == pytest.approx((0, 2 * share / (1 + share) if kind == "F1" else share))
