"""Every table that compares strategies says where they ran on other terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.analysis import curves, shift
from bench.analysis.loading import Run
from bench.analysis.tables import pairs, ranks
from bench.analysis.tables.model import Table
from bench.runs.record import Record
from tests.analysis.claims.measured import run_of
from tests.analysis.test_curves import TRUTH
from tests.analysis.test_curves import run_of as curve_of
from tests.analysis.test_shift import made

TASKS = ("reviews", "news", "films")


def three_tasks() -> Run:
    return run_of({(task, name): 0.8 for task in TASKS for name in ("full", "frozen")})


def said(table: Table) -> list[str]:
    return [note for note in table.notes if note.startswith("Not comparable")]


@pytest.mark.parametrize(
    ("made", "build"),
    [
        (three_tasks, pairs.build),
        (three_tasks, ranks.build),
        (lambda: curve_of(TRUTH), curves.build),
        (made, shift.build),
    ],
    ids=["pairs", "ranks", "curve", "shift"],
)
def test_a_table_of_cells_with_other_recipes_says_so(
    made: Callable[[], Run], build: Callable[..., Table]
) -> None:
    def longer(record: Record) -> Record:
        if record.cell.strategy != "full":
            return record
        recipe = replace(record.cell.recipe, epochs=9.0)
        return record.model_copy(update={"cell": replace(record.cell, recipe=recipe)})

    run = made()
    assert said(build(run.records, run.predictions)) == []
    notes = said(build([longer(record) for record in run.records], run.predictions))
    assert notes
    assert all("cells ran with different recipes (epochs)" in note for note in notes)
