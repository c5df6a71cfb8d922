"""Everything that ranks, with an error in place of a score; and correlations below zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis import convergence, curves, shift
from bench.analysis.groups import gather, is_degenerate
from bench.analysis.loading import Run
from bench.analysis.ranking import rank
from bench.analysis.tables import ranks
from bench.analysis.tables.build import ACROSS_TASKS, TableOptions, build
from bench.analysis.tables.default_rates import ranked_by
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Column, Entry
from bench.analysis.tables.number_format import decimals, interval, number
from tests.analysis.numeric import numeric_run

NOISES = {"frozen": 1.5, "lora": 0.7, "full": 0.45}
TASKS = ("a", "b", "c")


@pytest.fixture(scope="module")
def run() -> Run:
    return numeric_run(NOISES, TASKS)


def test_ranks_by_an_error_are_those_of_the_lowest(run):
    by_error, by_correlation = (rank(run.records, run.predictions, name) for name in ("mae", "spearman"))
    assert [item.row for item in by_error.rows] == [item.row for item in by_correlation.rows]
    assert [item.row[0] for item in by_error.rows] == ["full", "lora", "frozen"]
    assert max(item.beats.value for item in by_error.rows if item.beats) < 0.05
    assert by_error.rows[0].first == 1


def test_errors_of_several_tasks_have_no_mean(run):
    found = rank(run.records, run.predictions, "mae")
    assert {(item.score, item.best) for item in found.rows} == {(None, None)}
    for seeds in (2, 3):
        records = [record for record in run.records if record.cell.seed < seeds]
        text = render(ranks.build(records, run.predictions, "mae"), "md")
        assert "Errors have the units of their tasks" in text
        assert "An interquartile mean needs" not in text
    table = build(run.records, run.predictions, TableOptions(rows=ACROSS_TASKS, metric="mae"))
    rows = {row.labels[0]: dict(zip(table.columns, row.entries, strict=True)) for row in table.blocks[0].rows}
    by_name = {
        name: {column.name: entry for column, entry in entries.items() if column.group == "all tasks"}
        for name, entries in rows.items()
    }
    assert {name: found["rank"].value for name, found in by_name.items()} == {
        "full": 1,
        "lora": 2,
        "frozen": 3,
    }
    empty = ("average", "of-full", "of-full-corrected")
    assert {found[column].value for found in by_name.values() for column in empty} == {None}


def test_an_interquartile_mean_of_negative_correlations_lies_in_its_interval():
    run = numeric_run({"full": 0.5, "bad": -0.5}, TASKS)
    found = rank(run.records, run.predictions)
    worst = found.rows[-1].score
    assert worst.low < worst.value < worst.high < 0


def test_a_negative_correlation_has_a_convergence():
    """The best of negative scores is never reached to 90% of itself."""
    text = render(convergence.build(numeric_run({"bad": -0.5}).records), "md")
    assert "-" in text
    assert "bad" in text


def test_curves_of_an_error_lead_where_they_are_lower():
    """frozen has the lower error with few examples, and full with many."""
    few = numeric_run({"frozen": 0.5, "full": 1.5}, ("t@100",))
    many = numeric_run({"frozen": 0.5, "full": 0.2}, ("t@400",))
    records, files = [], {}
    for part, size in ((few, 100), (many, 400)):
        for record in part.records:
            sizes = {**record.data.sizes, "train": size}
            records.append(
                record.model_copy(update={"data": record.data.model_copy(update={"sizes": sizes})})
            )
            files[record.cell.id] = part.predictions(record.cell.id)
    notes = [
        next(note for note in curves.build(records, files.__getitem__, metric).notes if note.startswith("t:"))
        for metric in ("spearman", "mae")
    ]
    assert all("training examples frozen minilm is ahead of full minilm" in note for note in notes)
    table = curves.build(records, files.__getitem__, "mae")
    assert {column.unit for column in table.columns} == {"error"}
    assert [[entry.mark for entry in row.entries] for row in table.blocks[0].rows] == [
        ["best", ""],
        ["", "best"],
    ]


def on_two_domains(near: dict[str, float], far: dict[str, float]) -> Run:
    """Strategies whose predictions have this noise on the source domain and on another."""
    source, target = numeric_run(near), numeric_run(far)
    records, files = [], {}
    for record, other in zip(source.records, target.records, strict=True):
        scores = {"test": record.scores["test"], "far": other.scores["test"]}
        records.append(record.model_copy(update={"scores": scores}))
        rows, more = source.predictions(record.cell.id), target.predictions(other.cell.id)
        more = {**more, "split": np.full(len(more["split"]), "far", dtype=object)}
        files[record.cell.id] = {name: np.concatenate([rows[name], more[name]]) for name in rows}
    return Run("two domains", records, files.__getitem__)


def test_an_error_that_grows_in_other_domains_has_a_drop_above_zero():
    run = on_two_domains({"full": 0.3}, {"full": 0.9})
    for read in (run.predictions, None):
        table = shift.build(run.records, read, "mae")
        entries = dict(zip(table.columns, table.blocks[0].rows[0].entries, strict=True))
        drop = next(entry for column, entry in entries.items() if column.name == "drop")
        assert drop.value == pytest.approx(0.48, abs=0.1)


@pytest.mark.parametrize("metric", ["mae", "spearman"])
def test_no_drop_is_marked_as_the_best(metric):
    """Drops are not tested against each other, and one without a mark would read as one that is larger."""
    run = on_two_domains({"frozen": 0.3, "full": 0.4}, {"frozen": 0.8, "full": 0.9})
    table = shift.build(run.records, run.predictions, metric)
    marks = {
        column.name: {row.entries[place].mark for row in table.blocks[0].rows}
        for place, column in enumerate(table.columns)
    }
    assert marks["drop"] == marks["against"] == {""}
    assert "best" in marks["elsewhere"]


def test_a_run_is_degenerate_whose_error_is_no_lower_than_that_of_the_mean():
    found = {}
    for key, group in gather(numeric_run({"bad": math.inf, "full": 0.3}).records).items():
        found[key.strategy] = [is_degenerate(record) for record in ranked_by(group, "mae").done]
    assert found == {"bad": [True] * 3, "full": [False] * 3}


def test_an_error_without_a_known_floor_is_not_degenerate():
    (group,) = gather(numeric_run({"full": 0.3}, seeds=1).records).values()
    (record,) = ranked_by(group, "mae").done
    without = record.data.model_copy(update={"majority": {}})
    assert not is_degenerate(record.model_copy(update={"data": without}))


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (1.1699, 0.0951, "1.170 ± 0.095"),
        (114.61, 9.93, "114.6 ± 9.9"),
        (0.000412, 0.0000311, "0.000412 ± 0.000031"),
        (3.69e-7, 3.25e-8, "3.69e-07 ± 3.25e-08"),
        (1234567.8, 34567.8, "1,234,568 ± 34,568"),
        (0.0, None, "0.0"),
        (0.0042, None, "0.00420"),
        (52.31, None, "52.3"),
    ],
)
def test_an_error_has_the_digits_of_its_size(value, spread, text):
    """`0.00 ± 0.01` said nothing of the error of small numbers."""
    entry, column = Entry(value, spread), Column("mae", "mae", "error")
    digits = decimals([entry], "error")
    assert number(entry, column, digits) + interval(entry, column, digits) == text


def test_a_small_error_among_large_ones_is_not_shown_as_zero():
    entries = [Entry(52.0, 2.0), Entry(48.0, 2.1), Entry(0.0042, 0.0003)]
    column, digits = Column("mae", "mae", "error"), decimals(entries, "error")
    assert [number(entry, column, digits) for entry in entries] == ["52.0", "48.0", "0.0042"]


def test_the_interval_of_an_error_is_in_the_csv_table(run):
    text = render(build(run.records, run.predictions), "csv")
    assert "mae,mae ±,mae mark" in text.splitlines()[0]
