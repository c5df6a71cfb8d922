"""The linear models of the floor: a label, several labels, a number."""

from __future__ import annotations

import numpy as np
import pytest

from bench.contracts import LabelsExample, NumberExample, TextExample
from bench.recommend.linear import fit

FEATURES = np.random.default_rng(0).normal(size=(200, 4))


def test_a_label_is_that_of_logistic_regression() -> None:
    rows = [TextExample(str(n), "x", "up" if row[0] > 0 else "down") for n, row in enumerate(FEATURES)]
    said = fit(FEATURES, rows, 10.0)(FEATURES)
    assert np.mean([a == b.label for a, b in zip(said, rows, strict=True)]) > 0.95


def test_a_number_is_that_of_ridge_regression() -> None:
    rows = [NumberExample(str(n), "x", float(3 + 2 * row[0] - row[1])) for n, row in enumerate(FEATURES)]
    assert fit(FEATURES, rows, 1e6)(FEATURES) == pytest.approx([row.number for row in rows], abs=1e-3)


def test_every_label_has_a_model_and_one_that_all_rows_have_needs_none() -> None:
    rows = [
        LabelsExample(
            str(n), "x", ("all", *(["up"] if row[0] > 0 else []), *(["right"] if row[1] > 0 else []))
        )
        for n, row in enumerate(FEATURES)
    ]
    said = fit(FEATURES, rows, 10.0)(FEATURES)
    assert all("all" in found.labels for found in said)
    right = [set(found.labels) == set(row.labels) for found, row in zip(said, rows, strict=True)]
    assert np.mean(right) > 0.9
    assert said[0].names == ("all", "right", "up")
