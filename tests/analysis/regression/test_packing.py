"""The examples of a baseline: which columns it holds, and of which it knows that they are the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from bench.analysis.loading import Columns, Run
from bench.analysis.regression import baseline, packing
from bench.analysis.regression.compare import compare
from bench.analysis.regression.synthetic import synthetic_run


def contents(run: Run) -> list[dict]:
    """Of the test set in every line of a baseline."""
    return [json.loads(line)["examples"]["test"] for line in baseline.dump(run).splitlines()]


def test_a_baseline_that_holds_every_column_knows_that_predictions_are_the_same() -> None:
    """These have no column `prediction`, and no other that is left out."""
    run = synthetic_run(seeds=2, examples=20)
    assert {tuple(content["left_out"]) for content in contents(run)} == {()}
    found = compare(baseline.load(baseline.dump(run), "here"), run)
    assert found.count("identical") == len(found.cells) == 28


def test_predictions_that_are_held_need_no_digest(predicted: Run) -> None:
    assert not any("left_out" in content for content in contents(predicted))


def test_a_column_beside_predictions_that_are_held_has_a_digest(predicted: Run) -> None:
    def more(cell: str) -> Columns:
        return {**predicted.predictions(cell), "note": np.full(400, "x", object)}

    found = contents(replace(predicted, predictions=more))
    assert {tuple(content["left_out"]) for content in found} == {("note",)}


def test_one_example_of_a_baseline_keeps_the_digest_of_its_id() -> None:
    digest = packing.id_digest(["1"])
    assert packing.id_digest([digest]) == digest


def test_ids_that_begin_like_a_digest_are_told_apart() -> None:
    """A data set may name its examples by their digests: only the first of these would count."""
    first, second = (["sha256:a", name] for name in ("sha256:b", "sha256:c"))
    assert len({packing.id_digest(first), packing.id_digest(second), "sha256:a"}) == 3


def test_a_test_set_without_examples_is_read() -> None:
    empty = {"examples": 0, "ids": "x", "columns": {"correct": packing._packed(np.array([]))}}
    full = {**empty, "examples": 1, "columns": {"correct": packing._packed(np.array([0.5]))}}
    assert packing.decoded({"test": empty, "other": full}, "here")["correct"].tolist() == [0.5]
