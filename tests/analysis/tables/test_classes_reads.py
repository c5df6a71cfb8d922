"""What the notes of the table of classes cost: one prediction file of each task."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Columns, Run
from bench.analysis.tables import classes
from bench.report.classes import by_class
from bench.report.reading import read
from tests.support.report_runs import Grid, make_run

SEEDS = 2


def in_documents(run: Run, count: int) -> Run:
    """With the test examples in so many documents; without any where it is 0."""

    def predictions(cell: str) -> Columns:
        rows = run.predictions(cell)
        names = (np.arange(len(rows["id"])) * count // len(rows["id"])).astype(str).astype(object)
        return {**rows, "group": names} if count else rows

    return replace(run, predictions=predictions)


def counting(run: Run, reads: Counter[str]) -> Run:
    def predictions(cell: str) -> Columns:
        reads[cell] += 1
        return run.predictions(cell)  # type: ignore[return-value]

    return replace(run, predictions=predictions)


def beyond_scores(run: Run, reads: Counter[str]) -> list[int]:
    """How many more times than its last seed the first seed of each strategy was read."""
    first, last = (
        [reads[record.cell.id] for record in run.records if record.cell.seed == seed]
        for seed in (0, SEEDS - 1)
    )
    return [count - other for count, other in zip(first, last, strict=True)]


@pytest.mark.parametrize("documents", [0, 1, 10])
def test_the_notes_of_the_table_read_one_file_of_each_task(documents: int) -> None:
    run, reads = in_documents(make_run(Grid(seeds=SEEDS)), documents), Counter[str]()
    made = classes.build(run.records, counting(run, reads).predictions)
    assert sorted(beyond_scores(run, reads)) == [0] * 6 + [1] * 2
    assert any("one document" in note for note in made.notes) == (documents == 1)
    assert any("resampled by the document" in note for note in made.notes) == (documents == 10)


@pytest.mark.parametrize("documents", [0, 1, 10])
def test_the_notes_of_the_report_read_one_file_of_the_task(documents: int) -> None:
    run, reads = in_documents(make_run(Grid(tasks=("news",), seeds=SEEDS)), documents), Counter[str]()
    reading = read(run)
    found = by_class(replace(reading, run=counting(reading.run, reads)), "news")
    assert found is not None
    assert sorted(beyond_scores(run, reads)) == [0, 0, 0, 1]
    for table in (found.compared, found.details):
        assert any("one document" in note for note in table.notes) == (documents == 1)
        assert any("resampled by the document" in note for note in table.notes) == (documents == 10)
