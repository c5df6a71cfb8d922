"""The spreads and ties of a table: of which test set, and over how many families the error is divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Predictions, Run
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.mcnemar import exact_tests
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.resampling_all import resample_all
from bench.analysis.statistics.uncertainty import Shown, Uncertainty, from_predictions, from_seeds
from tests.analysis.conftest import make_record
from tests.analysis.numeric import numeric_run
from tests.analysis.statistics.test_few_documents import run_of as in_documents
from tests.analysis.statistics.test_unequal_seeds import run_of

METRICS = ("accuracy", "f1")
ONE_SEED = {"full": {0: 0.9}, "frozen": {0: 0.84}, "probe": {0: 0.6}}


def test_without_predictions_the_spread_is_the_deviation_over_seeds() -> None:
    by_strategy = {"full": (0.7, 0.8, 0.9), "frozen": (0.5, 0.6), "probe": (0.5,)}
    records = [
        make_record("t", strategy, seed, accuracy=score)
        for strategy, scores in by_strategy.items()
        for seed, score in enumerate(scores)
    ]
    groups = gather(records)
    found = from_seeds(groups, dict.fromkeys(groups, ("accuracy",))).spread
    assert {shown.key.strategy: spread for shown, spread in found.items()} == {
        "full": pytest.approx(0.1),
        "frozen": pytest.approx(0.1 / 2**0.5),
    }


def known(run: Run, test: str = "test", families: int | None = None) -> Uncertainty:
    groups = gather(run.records)
    metrics = dict.fromkeys(groups, METRICS)
    if families is None:
        return from_predictions(groups, metrics, run.predictions, test)
    return from_predictions(groups, metrics, run.predictions, test, families)


def test_a_table_is_one_family_unless_it_says_otherwise() -> None:
    run = run_of(ONE_SEED)
    groups, source = gather(run.records), Source(run.predictions)
    scores = resample_all(groups, dict.fromkeys(groups, METRICS), source)
    expected = compare_pairs(scores, with_best(scores), exact_tests(scores, groups, source))
    alone, shared = known(run).comparisons, known(run, families=3).comparisons
    assert [item.adjusted for item in alone] == [item.adjusted for item in expected]
    assert [item.adjusted for item in shared] == pytest.approx(
        [min(3 * item.adjusted, 1) for item in expected]
    )
    assert 0 < alone[0].adjusted < 0.3


def elsewhere(run: Run) -> Run:
    """The run, whose answers are those to another test set; on its own all are right."""

    def predictions(cell: str) -> Predictions:
        rows = run.predictions(cell)
        assert isinstance(rows, dict)
        right = {**rows, "prediction": rows["reference"], "correct": np.ones(len(rows["id"]))}
        moved = {**rows, "split": np.full(len(rows["id"]), "tweets", dtype=object)}
        return {name: np.concatenate([right[name], moved[name]]) for name in rows}

    records = [
        record.model_copy(
            update={"scores": {"test": {"accuracy": 1.0, "f1": 1.0}, "tweets": record.scores["test"]}}
        )
        for record in run.records
    ]
    return replace(run, records=records, predictions=predictions)


def test_another_test_set_is_judged_by_its_own_answers() -> None:
    """Where all of those to the test set are right, McNemar's p would be 1."""
    plain = run_of(ONE_SEED)
    own, found = known(plain), known(elsewhere(plain), "tweets")
    assert [item.mcnemar is not None for item in own.comparisons] == [True, True, False, False]
    assert [item.mcnemar for item in found.comparisons] == [item.mcnemar for item in own.comparisons]
    assert [item.adjusted for item in found.comparisons] == pytest.approx(
        [item.adjusted for item in own.comparisons]
    )
    assert [item.difference.mean for item in found.comparisons] == pytest.approx(
        [item.difference.mean for item in own.comparisons]
    )
    assert {shown.test for shown in found.tied} <= {"tweets"}
    assert (list(own.part.clusters), list(found.part.clusters)) == (["t"], ["t → tweets"])


def test_of_one_document_nothing_more_is_said_to_be_untested() -> None:
    notes = known(in_documents(1, 3)).notes
    assert any("come from one document" in note for note in notes)
    assert not any("known to be behind" in note for note in notes)


def test_the_best_error_without_predictions_is_the_lowest() -> None:
    run = numeric_run({"frozen": 1.5, "lora": 0.7, "full": 0.45})

    def predictions(cell: str) -> Predictions:
        if "/full/" in cell:
            raise KeyError(cell)
        return run.predictions(cell)

    groups = gather(run.records)
    found = from_predictions(groups, dict.fromkeys(groups, ("mae",)), predictions)
    (note,) = (note for note in found.notes if note.startswith("Bold but not tested: "))
    assert note.startswith("Bold but not tested: full with minilm on similarity (")
    assert "relative to the best of those with predictions: lora with minilm on similarity." in note
    assert Shown(Key("similarity", "full", "minilm"), "mae") not in found.spread


def test_each_metric_has_its_own_spread() -> None:
    run = run_of({name: dict.fromkeys(range(3), level) for name, level in (("full", 0.9), ("frozen", 0.8))})
    groups = gather(run.records)
    scores = resample_all(groups, dict.fromkeys(groups, METRICS), Source(run.predictions))
    found = known(run).spread
    for metric in METRICS:
        parts = {key: item.components() for (key, name), item in scores.items() if name == metric}
        for key, item in intervals(parts).items():
            assert found[Shown(key, metric)] == item.half
    assert len(set(found.values())) == 4
