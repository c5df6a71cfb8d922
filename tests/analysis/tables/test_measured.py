"""What runs measured of each strategy: one row a suite, and a plain word where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.tables.formats import render
from bench.analysis.tables.measured import NOT_MEASURED, Only, build
from bench.analysis.tables.model import Table
from bench.contracts import BenchError
from bench.runs.record import Record, Served, Serving
from tests.analysis.conftest import make_predictions, make_record


def run_of(suite: str, *records: Record) -> Run:
    """Records of a suite whose predictions are all right."""
    own = [record.model_copy(update={"cell": replace(record.cell, suite=suite)}) for record in records]
    return Run(suite, own, lambda _: make_predictions(np.ones(20)))


def seeds(strategy: str, trainable: int = 10, count: int = 2, **changes: object) -> list[Record]:
    return [
        make_record(strategy=strategy, seed=seed, trainable=trainable, **changes) for seed in range(count)
    ]


def shown(table: Table) -> list[tuple[str, ...]]:
    return [row.labels for row in table.blocks[0].rows]


def values(table: Table, place: int) -> dict[str, object]:
    by_name = {column.name: place for place, column in enumerate(table.columns)}
    row = table.blocks[0].rows[place]
    return {name: row.entries[at].value for name, at in by_name.items()}


def test_a_strategy_has_a_row_for_each_suite_and_suites_stay_in_the_order_of_the_runs() -> None:
    runs = [run_of("quick", *seeds("full", 100), *seeds("frozen", 1)), run_of("deep", *seeds("full", 100))]
    table = build(runs, ("full", "frozen"))
    assert shown(table) == [("frozen", "quick"), ("full", "quick"), ("full", "deep")]
    assert table.caption == "What was measured of each strategy on reviews with minilm"


def test_a_strategy_that_no_run_holds_is_not_measured() -> None:
    table = build([run_of("quick", *seeds("full"))], ("full", "zeta", "alpha"))
    assert shown(table)[1:] == [("alpha", "–"), ("zeta", "–")]
    for row in table.blocks[0].rows[1:]:
        assert [entry.note for entry in row.entries].count(NOT_MEASURED) == 1
        assert all(entry.value is None for entry in row.entries)
    assert "not measured" in render(table, "md")


def test_a_row_holds_what_was_measured() -> None:
    served = Served(p50=0.004, p95=0.005, single=1, batch=8, best=2)
    record = seeds("full", serving=Serving(plain=served), trainable=250, parameters=1000)
    found = values(build([run_of("quick", *record)], ()), 0)
    assert found["train"] == 500
    assert found["seeds"] == 2
    assert found["trainable"] == 0.25
    assert found["p50"] == pytest.approx(4.0)
    assert found["headline"] == 0.8
    assert found["seconds"] == pytest.approx(10.0, abs=0.01)


def test_a_column_that_nothing_fills_is_left_out() -> None:
    table = build([run_of("quick", *seeds("full"))], ())
    assert "p50" not in {column.name for column in table.columns}


def test_a_suite_s_strategies_may_have_different_numbers_of_seeds() -> None:
    failed = make_record(strategy="frozen", seed=1, status="failed", scores={}, reason="no memory")
    run = run_of("quick", *seeds("full", count=3), make_record(strategy="frozen"), failed)
    rows = build([run], ()).blocks[0].rows
    notes = {row.labels[0]: (row.entries[-1].value, row.entries[-1].note) for row in rows}
    assert notes == {"full": (3.0, ""), "frozen": (1.0, "1/2")}


def test_no_row_is_marked_as_the_best() -> None:
    rows = build([run_of("quick", *seeds("full"), *seeds("frozen"))], ()).blocks[0].rows
    assert {entry.mark for row in rows for entry in row.entries} == {""}


def test_other_tasks_and_backbones_are_columns_of_labels_or_left_out() -> None:
    run = run_of("quick", *seeds("full"), *seeds("full", task="news@100"), *seeds("full", backbone="glove"))
    assert build([run], ()).headings == ("strategy", "suite", "task", "backbone")
    assert build([run], (), Only(("news",))).headings == ("strategy", "suite")
    assert shown(build([run], (), Only(("reviews",), ("glove",)))) == [("full", "quick")]


def test_what_was_asked_for_and_what_there_is_are_named() -> None:
    run = run_of("quick", *seeds("full"))
    with pytest.raises(BenchError, match="of opera with glove; tasks: reviews; backbones: minilm") as error:
        build([run], (), Only(("opera",), ("glove",)))
    assert error.value.code == "no-records"
    with pytest.raises(BenchError) as error:
        build([Run("empty", [], {}.__getitem__)], ("full",))
    assert error.value.code == "no-records"
