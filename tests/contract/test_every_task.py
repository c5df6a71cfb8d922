"""What holds for every data set that is found: the project's own and any installed plug-in's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from bench.contracts import Metric, MetricKind, QuestionExample, Task, TextExample, WordsExample
from bench.registry import discover

TASKS = discover().tasks
EVERY = pytest.mark.parametrize("task", list(TASKS.values()), ids=list(TASKS))

ROWS: dict[str, Sequence[Any]] = {
    "pooled": [TextExample("a", "a fine film", "positive"), TextExample("b", "a dull film", "negative")],
    "token": [WordsExample("a", ("Ada", "sleeps"), ("B-PER", "O"))],
    "span": [QuestionExample("a", "Who sleeps?", "Ada sleeps.", (("Ada", 0),))],
}
"""Examples of what each kind of head reads."""


@EVERY
def test_it_says_what_it_is(task: type[Task]) -> None:
    assert len(task.summary) > 10
    assert task.licence
    assert task.version >= 1
    assert task.adapter in {"classification", "sentiment", "ner", "qa"}


@EVERY
def test_its_name_can_be_a_folder(task: type[Task]) -> None:
    assert task.name
    assert set(task.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@EVERY
def test_it_reports_accuracy_and_f1_and_ranks_by_one_of_its_metrics(task: type[Task]) -> None:
    names = [metric.name for metric in task.metrics]
    assert len(names) == len(set(names))
    assert {"accuracy", "f1"} <= set(names)
    assert task.headline in names


@EVERY
def test_its_metrics_can_be_recomputed(task: type[Task]) -> None:
    columns = {"mean": 1, "ratio": 2, "f1": 3, "macro_f1": 0, "class_f1": 1}
    assert set(columns) == set(get_args(MetricKind))
    assert all(len(metric.columns) == columns[metric.kind] for metric in task.metrics)


@EVERY
def test_its_trivial_predictions_can_be_scored(task: type[Task]) -> None:
    rows = ROWS[task.head]
    predictions = task().trivial(rows, rows)
    scores = task().score(rows, predictions)
    assert set(scores) == {metric.name for metric in task.metrics}
    assert all(0 <= score <= 1 for score in scores.values())


@EVERY
def test_perfect_predictions_score_one(task: type[Task]) -> None:
    rows = ROWS[task.head]
    perfect = {
        "pooled": lambda row: row.label,
        "token": lambda row: list(row.tags),
        "span": lambda row: row.answers[0][0],
    }[task.head]
    assert set(task().score(rows, [perfect(row) for row in rows]).values()) == {1.0}


@EVERY
def test_its_columns_hold_what_its_metrics_read(task: type[Task]) -> None:
    rows = ROWS[task.head]
    columns = task().columns(rows, task().trivial(rows, rows))
    assert {"reference", "prediction"} | read(task.metrics) <= set(columns)
    assert {len(column) for column in columns.values()} == {len(rows)}


def read(metrics: Sequence[Metric]) -> set[str]:
    return {column for metric in metrics if metric.kind != "class_f1" for column in metric.columns}


@EVERY
def test_sound_examples_pass_its_check(task: type[Task]) -> None:
    assert [task().check(row) for row in ROWS[task.head]] == [None] * len(ROWS[task.head])
