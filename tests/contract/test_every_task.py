"""What holds for every data set that is found: the project's own and any installed plug-in's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from bench.contracts import (
    LabelsExample,
    Metric,
    MetricKind,
    NumberExample,
    QuestionExample,
    Task,
    TextExample,
    WordsExample,
)
from bench.data.label_sets import LabelSet
from bench.registry import discover

TASKS = discover().tasks
EVERY = pytest.mark.parametrize("task", list(TASKS.values()), ids=list(TASKS))

LABELLED = [TextExample("a", "a fine film", "positive"), TextExample("b", "a dull film", "negative")]
ROWS: dict[str, Sequence[Any]] = {
    "classification": LABELLED,
    "sentiment": LABELLED,
    "regression": [
        NumberExample("a", "a fine film", 4.5),
        NumberExample("b", "a dull film", -1.0, pair="so"),
    ],
    "multilabel": [
        LabelsExample("a", "a fine film", ("film", "praise")),
        LabelsExample("b", "dull", ("film",)),
    ],
    "ner": [WordsExample("a", ("Ada", "sleeps"), ("B-PER", "O"))],
    "qa": [QuestionExample("a", "Who sleeps?", "Ada sleeps.", (("Ada", 0),))],
    "unanswerable": [
        QuestionExample("a", "Who sleeps?", "Ada sleeps.", (("Ada", 0),)),
        QuestionExample("b", "Who runs?", "Ada sleeps.", ()),
    ],
}
"""Examples of what each adapter reads."""

PERFECT: dict[str, Any] = {
    "classification": lambda row: row.label,
    "sentiment": lambda row: row.label,
    "regression": lambda row: row.number,
    "multilabel": lambda row: LabelSet(row.labels, row.labels, (1.0,) * len(row.labels)),
    "ner": lambda row: list(row.tags),
    "qa": lambda row: row.answers[0][0],
    "unanswerable": lambda row: row.answers[0][0] if row.answers else "",
}
SIGNED = ("pearson", "spearman", "mcc")


@EVERY
def test_it_says_what_it_is(task: type[Task]) -> None:
    assert len(task.summary) > 10
    assert task.licence
    assert task.version >= 1
    assert task.adapter in ROWS


@EVERY
def test_its_name_can_be_a_folder(task: type[Task]) -> None:
    assert task.name
    assert set(task.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@EVERY
def test_it_reports_accuracy_and_f1_and_ranks_by_one_of_its_metrics(task: type[Task]) -> None:
    names = [metric.name for metric in task.metrics]
    assert len(names) == len(set(names))
    assert {"accuracy", "f1"} <= set(names) or task.adapter == "regression"
    assert task.headline in names


@EVERY
def test_its_metrics_can_be_recomputed(task: type[Task]) -> None:
    columns = {"mean": 1, "ratio": 2, "f1": 3, "macro_f1": 0, "class_f1": 1, "sets_f1": 0}
    columns |= {
        "macro_recall": 0,
        "class_precision": 1,
        "class_recall": 1,
        "pearson": 2,
        "spearman": 2,
        "mcc": 0,
        "error": 1,
    }
    assert set(columns) == set(get_args(MetricKind))
    assert all(len(metric.columns) == columns[metric.kind] for metric in task.metrics)


@EVERY
def test_its_trivial_predictions_can_be_scored(task: type[Task]) -> None:
    rows = ROWS[task.adapter]
    predictions = task().trivial(rows, rows)
    scores = task().score(rows, predictions)
    assert set(scores) == {metric.name for metric in task.metrics}
    kinds = {metric.name: metric.kind for metric in task.metrics}
    for name, score in scores.items():
        assert (-1 if kinds[name] in SIGNED else 0) <= score <= (100 if kinds[name] == "error" else 1)


@EVERY
def test_perfect_predictions_score_one(task: type[Task]) -> None:
    rows = ROWS[task.adapter]
    kinds = {metric.name: metric.kind for metric in task.metrics}
    scores = task().score(rows, [PERFECT[task.adapter](row) for row in rows])
    assert scores == pytest.approx({name: 0.0 if kinds[name] == "error" else 1.0 for name in scores})


@EVERY
def test_its_columns_hold_what_its_metrics_read(task: type[Task]) -> None:
    rows = ROWS[task.adapter]
    columns = task().columns(rows, task().trivial(rows, rows))
    assert {"reference", "prediction"} | read(task.metrics) <= set(columns)
    assert {len(column) for column in columns.values()} == {len(rows)}


def read(metrics: Sequence[Metric]) -> set[str]:
    return {column for metric in metrics if metric.kind != "class_f1" for column in metric.columns}


@EVERY
def test_sound_examples_pass_its_check(task: type[Task]) -> None:
    assert [task().check(row) for row in ROWS[task.adapter]] == [None] * len(ROWS[task.adapter])
