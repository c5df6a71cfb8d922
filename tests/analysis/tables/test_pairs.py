"""The table of pairs: the names of its metrics, what it shows of one seed, and its notes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.tables import pairs, ranks
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Entry, Table
from bench.contracts import BenchError
from bench.report import page
from tests.analysis.numeric import numeric_run


def of_adapter(run: Run, adapter: str) -> Run:
    records = [record.model_copy(update={"adapter": adapter}) for record in run.records]
    return Run(run.name, records, run.predictions)


def in_documents(run: Run) -> Run:
    """With four examples a document."""
    groups = np.array([f"d{n // 4}" for n in range(400)], dtype=object)
    return Run(run.name, run.records, lambda cell: {**run.predictions(cell), "group": groups})


def differences(table: Table) -> list[Entry]:
    return [row.entries[1] for block in table.blocks for row in block.rows]


def note_of(table: Table, start: str) -> str:
    (note,) = (note for note in table.notes if note.startswith(start))
    return note


@pytest.mark.parametrize(
    ("adapter", "name"), [("ner", "token accuracy"), ("qa", "exact match"), ("classification", "accuracy")]
)
def test_people_read_what_a_metric_is_and_machines_its_name(predicted: Run, adapter: str, name: str) -> None:
    run = of_adapter(predicted, adapter)
    table = pairs.build(run.records, run.predictions, "accuracy")
    assert f"| {name} " in render(table, "md")
    assert f"& {name} &" in render(table, "latex")
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert {row["metric"] for row in rows} == {"accuracy"}
    values = json.loads(render(table, "json"))["blocks"][0]["rows"][0]["values"]
    assert values["metric"] == {"value": "accuracy"}


def test_over_seeds_a_difference_has_an_interval(predicted: Run) -> None:
    table = pairs.build(predicted.records, predicted.predictions)
    assert all(entry.spread for entry in differences(table))
    assert note_of(table, "± is half of a 95% interval over seeds and test examples")
    assert not any("models" in note for note in table.notes)


def test_on_one_seed_a_difference_has_none(predicted: Run) -> None:
    single = [record for record in predicted.records if record.cell.seed == 0]
    table = pairs.build(single, predicted.predictions)
    assert [entry.spread for entry in differences(table)] == [None] * 4
    assert "±" not in "".join(note for note in table.notes if not note.startswith("One seed"))
    assert "moves a difference by ± " in note_of(table, "One seed has no interval")
    assert "this compares models, not strategies" in note_of(table, "Not told apart")


def test_differences_are_by_seed_where_some_learned_nothing(predicted: Run) -> None:
    records = [
        record.model_copy(update={"scores": {"test": {"accuracy": 0.4, "f1": 0.4}}})
        if record.cell.strategy == "frozen" and record.cell.seed == 0
        else record
        for record in predicted.records
    ]
    table = pairs.build(records, predicted.predictions)
    shown = {row.labels[1].split()[0]: row.entries[1] for block in table.blocks for row in block.rows}
    assert len(shown["frozen"].points) == 3
    assert shown["frozen"].spread is None
    assert all(entry.spread for name, entry in shown.items() if name != "frozen")
    assert note_of(table, "In parentheses: the seeds")


def test_the_points_of_a_difference_are_those_of_the_first_less_those_of_the_second(predicted: Run) -> None:
    """Of the seeds that both have, in their order."""
    news = [record for record in predicted.records if record.cell.task == "news"]
    scores = {"full": (0.82, 0.8, 0.84), "top-layers": (0.78, 0.79, 0.77), "frozen": (0.4, 0.7, 0.71)}
    records = [
        record.model_copy(
            update={"scores": {"test": {"accuracy": scores[record.cell.strategy][record.cell.seed]}}}
        )
        for record in news
        if (record.cell.strategy, record.cell.seed) != ("frozen", 1)
    ]
    (block,) = pairs.build(records, predicted.predictions).blocks
    found = {tuple(label.split()[0] for label in row.labels): row.entries[1].points for row in block.rows}
    (pair,) = (pair for pair in found if "frozen" in pair)
    first, second = (scores[name] for name in pair)
    assert found.pop(pair) == pytest.approx([first[seed] - second[seed] for seed in (0, 2)])
    assert set(found.values()) == {()}


def test_pairs_by_an_unknown_metric_are_refused_by_its_name(predicted: Run) -> None:
    with pytest.raises(BenchError, match="did you mean 'accuracy'") as error:
        pairs.build(predicted.records, predicted.predictions, "acuracy")
    assert error.value.code == "unknown-metric"


def test_pairs_and_ranks_say_that_documents_were_resampled(predicted: Run) -> None:
    run = in_documents(predicted)
    told = "Test examples are resampled by the document that they come from: reviews (100), news (100) documents."
    assert told in pairs.build(run.records, run.predictions).notes
    third = [
        record.model_copy(update={"cell": replace(record.cell, task="third")}) for record in run.records[:9]
    ]
    files = {
        record.cell.id: run.predictions(old.cell.id) for record, old in zip(third, run.records, strict=False)
    }

    def predictions(cell: str) -> dict[str, np.ndarray]:
        return files[cell] if cell in files else run.predictions(cell)

    table = ranks.build([*run.records, *third], predictions)
    assert table.notes[-1] == told.replace("news (100)", "news (100), third (100)")


def test_the_correction_of_pairs_on_few_documents_is_named(predicted: Run) -> None:
    """They have Holm's, beside which Westfall and Young's of the others is stricter (`familywise.beside_few`)."""
    assert "of pairs on few documents" in note_of(
        pairs.build(predicted.records, predicted.predictions), "p values"
    )


def by_error_and_by_accuracy(predicted: Run) -> Run:
    """One task is ranked by an error, in units of its own, and first; the others by accuracy."""
    numbers = numeric_run({"full": 0.45, "frozen": 1.5}, unit=50.0)
    records = [record.model_copy(update={"headline": "mae"}) for record in numbers.records]
    known = {record.cell.id for record in records}
    return Run(
        "both",
        [*records, *predicted.records],
        lambda cell: (numbers if cell in known else predicted).predictions(cell),
    )


def test_errors_and_scores_of_one_table_have_columns_of_their_own(predicted: Run) -> None:
    """Differences of accuracy were printed as errors, 0.031 for 3.1 points: the first task has an error."""
    run = by_error_and_by_accuracy(predicted)
    table = pairs.build(run.records, run.predictions)
    units = {column.key: column.unit for column in table.columns}
    assert (units["difference"], units["detectable"]) == ("score", "percent")
    assert (units["error-difference"], units["error-detectable"]) == ("error", "error")
    for block in json.loads(render(table, "json"))["blocks"]:
        for row in block["rows"]:
            filled = {name for name, item in row["values"].items() if item.get("value") is not None}
            prefix = "error-" if block["title"] == "similarity" else ""
            assert {f"{prefix}difference", f"{prefix}detectable"} <= filled
            assert len(filled & {"difference", "detectable", "error-difference", "error-detectable"}) == 2
    alone = pairs.build(predicted.records, predicted.predictions)
    for block in alone.blocks:
        (same,) = (other for other in table.blocks if other.title == block.title)
        assert [row.entries[1].value for row in same.rows] == [row.entries[1].value for row in block.rows]


def test_the_page_shows_differences_of_accuracy_in_points_beside_those_of_errors(
    predicted: Run, tmp_path: Path
) -> None:
    run = by_error_and_by_accuracy(predicted)
    found = page.build(run, tmp_path).pairs
    assert found is not None
    alone = pairs.build(predicted.records, predicted.predictions)
    assert means_of_accuracy(found) == means_of_accuracy(alone)
    assert {len(column) for column in map(means_of_accuracy, (found, alone))} == {4}


def means_of_accuracy(table: Table) -> list[str]:
    """The differences of accuracy as people read them, without their intervals."""
    lines = [line.split("|") for line in render(table, "md").splitlines() if "| accuracy" in line]
    return sorted(cells[4].split("±")[0].strip() for cells in lines)


@pytest.mark.parametrize("metric", ["spearman", "mae"])
def test_a_table_of_one_scale_has_no_columns_of_the_other(metric: str) -> None:
    run = numeric_run({"full": 0.45, "frozen": 1.5}, tasks=("a", "b"))
    table = pairs.build(run.records, run.predictions, metric)
    names = ["metric", "difference", "effect", "p", "detectable", "mcnemar", "verdict"]
    assert [column.key for column in table.columns] == names
    assert all(entry.value is not None for entry in differences(table))


def test_what_could_not_be_tested_has_no_row_and_a_note(predicted: Run) -> None:
    """Without one, a reader takes the table for all strategies of the run."""
    moved = {"top-layers": 3, "frozen": 0, "full": 0}
    records, files = [], {}
    for record in predicted.records:
        cell = replace(record.cell, seed=record.cell.seed + moved[record.cell.strategy])
        records.append(record.model_copy(update={"cell": cell}))
        files[cell.id] = predicted.predictions(record.cell.id)
    note = note_of(pairs.build(records, files.__getitem__), "Without a row, because not tested")
    assert "top-layers with minilm on reviews, top-layers with minilm on news (no seed in common)" in note


def test_a_best_strategy_without_predictions_is_named(predicted: Run) -> None:
    def read(cell: str) -> dict[str, np.ndarray]:
        if "/full/" in cell:
            raise KeyError(cell)
        return predicted.predictions(cell)

    note = note_of(pairs.build(predicted.records, read), "Without a row, though it has the best mean")
    assert "full with minilm on reviews" in note
    assert "those with predictions: top-layers with minilm on reviews" in note


def test_a_task_of_one_document_has_no_row_and_a_note(predicted: Run) -> None:
    def read(cell: str) -> dict[str, np.ndarray]:
        rows = predicted.predictions(cell)
        return {**rows, "group": np.full(400, "d", dtype=object)} if cell.startswith("news/") else rows

    table = pairs.build(predicted.records, read)
    assert [block.title for block in table.blocks] == ["reviews"]
    assert note_of(table, "All test examples of news come from one document")
    assert not any("Without a row" in note for note in table.notes)
