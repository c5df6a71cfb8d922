"""What is asked of the gate and the tests about planted faults, and the table of the answers in the documents."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.regression.compare import compare
from tests.analysis.conftest import make_predictions
from tests.support.gate_faults import FAULTS, NO_FAULT, Answer, answer, read, table
from tests.support.mutants import ROOT

RECORDED = ROOT / "results" / "statistics" / "faults.jsonl"
PAGE = ROOT / "docs" / "statistics.md"
START, END = "<!-- faults -->\n", "<!-- /faults -->"


def changed(run: Run, cell: str, share_right: float) -> Run:
    """The run with other predictions of one strategy on one task."""
    right = (np.arange(400) < 400 * share_right).astype(float)
    return Run(
        "changed",
        run.records,
        lambda name: make_predictions(right) if cell in name else run.predictions(name),
    )


def test_cells_that_regressed_are_named_and_the_others_counted(predicted: Run) -> None:
    text = compare(predicted, changed(predicted, "reviews/full", 0.4)).to_json()
    found = answer("a fault", "gate", text)
    assert (found.found, found.cells, found.identical) == (True, 6, 5)
    assert "reviews/full/minilm" in found.where
    assert all("full" in name for name in found.where)


def test_a_change_that_is_no_drop_is_missed_and_counted(predicted: Run) -> None:
    text = compare(predicted, changed(predicted, "reviews/full", 0.9)).to_json()
    found = answer("a fault", "gate", text)
    assert (found.found, found.where, found.identical) == (False, (), 5)
    assert "missed: 0 of 6 cells regressed, 1 changed" in table([found])


def test_a_cell_that_is_gone_is_found(predicted: Run) -> None:
    rest = [record for record in predicted.records if record.cell.strategy != "full"]
    found = answer("a fault", "gate", compare(predicted, Run("rest", rest, predicted.predictions)).to_json())
    assert (found.found, len(found.where)) == (True, 2)


def test_answers_are_read_as_they_were_written_and_the_last_counts(tmp_path: Path) -> None:
    first = Answer("a", "gate", False, cells=3)
    last = Answer("a", "gate", True, ("x/full/minilm",), 1, 3)
    path = tmp_path / "faults.jsonl"
    path.write_text("".join(json.dumps(asdict(item)) + "\n" for item in (first, last)))
    assert read(path) == [last]


def test_the_table_has_a_column_for_each_that_was_asked() -> None:
    text = table(
        [
            Answer("a", "gate", True, ("t/full/minilm", "all tasks/full/minilm"), 1, 3),
            Answer("b", "tests", True),
        ]
    )
    assert text.splitlines()[2:] == [
        "| a | found: 1 of 3 cells regressed, 2 changed | not asked |",
        "| b | not asked | found |",
    ]
    assert "| missed: no prediction of 4 cells changed |" in table([Answer("a", "gate", False, (), 4, 4)])
    assert "| no alarm: no prediction of 4 cells changed |" in table(
        [Answer(NO_FAULT, "gate", False, (), 4, 4)]
    )
    assert "| a false alarm: 1 of 4 cells" in table(
        [Answer(NO_FAULT, "gate", True, ("t/full/minilm",), 3, 4)]
    )
    assert "| no end |" in table([Answer("a", "tests", False, detail="no end")])


def test_the_documents_show_what_is_recorded() -> None:
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    shown, end, after = rest.partition(END)
    assert start, f"{PAGE} has no {START}"
    wanted = table(read(RECORDED))
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(before + start + wanted + end + after, encoding="utf-8")
        pytest.skip("written")
    assert shown == wanted


def test_what_is_recorded_is_about_the_faults_of_today() -> None:
    names = {fault.name for fault in FAULTS} | {NO_FAULT}
    assert {item.fault for item in read(RECORDED)} <= names


def test_every_fault_changed_predictions_and_the_same_code_none() -> None:
    """What docs/statistics.md says of `--fail-on changed`."""
    asked = [item for item in read(RECORDED) if item.cells]
    changed = {item.fault for item in asked if item.identical < item.cells}
    assert changed == {fault.name for fault in FAULTS}
