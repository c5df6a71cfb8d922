"""What runs measured of each strategy: one row a suite, and a plain word where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.statistics.intervals import EXACT, POINTS, WIDE
from bench.analysis.statistics.uncertainty import STANDARD_DEVIATION
from bench.analysis.tables import measured
from bench.analysis.tables.build import build as scores
from bench.analysis.tables.formats import render
from bench.analysis.tables.measured import INTERVALS, NOT_MEASURED, Only, build
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


def test_strategies_are_in_the_order_of_the_smallest_share_that_they_train() -> None:
    runs = [run_of("quick", *seeds("full", 1), *seeds("frozen", 50)), run_of("deep", *seeds("full", 100))]
    assert shown(build(runs, ())) == [("full", "quick"), ("full", "deep"), ("frozen", "quick")]


def test_strategies_that_train_the_same_share_are_in_the_order_of_their_names() -> None:
    runs = [run_of(name, *seeds("lora"), *seeds("bitfit")) for name in ("two", "one")]
    assert shown(build(runs, ())) == [("bitfit", "two"), ("bitfit", "one"), ("lora", "two"), ("lora", "one")]


def test_a_strategy_whose_share_is_not_known_comes_first() -> None:
    run = run_of("quick", *seeds("alpha"), *seeds("zeta", parameters=0))
    assert shown(build([run], ())) == [("zeta", "quick"), ("alpha", "quick")]


@pytest.mark.parametrize("many", [18, 17])
def test_scores_have_the_intervals_of_the_suite_s_own_table(
    many: int, predicted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run of more cells, the deviations over seeds: its predictions are not read."""
    monkeypatch.setattr(measured, "MANY", many)
    own = scores(predicted.records, predicted.predictions if many == 18 else None)
    expected = {(row.labels[0], block.title): row.entries[0] for block in own.blocks for row in block.rows}
    table = build([predicted], ())
    assert (INTERVALS in table.notes) == (many == 18)
    assert (f"Suite quick: {STANDARD_DEVIATION}" in table.notes) == (many == 17)
    rows = table.blocks[0].rows
    assert len(rows) == len(expected)
    for row in rows:
        strategy, _, task = row.labels
        wanted = expected[strategy, task]
        assert (row.entries[1].value, row.entries[1].spread) == (wanted.value, wanted.spread)


@pytest.mark.parametrize("many", [18, 2])
def test_one_seed_has_no_note_on_intervals(
    many: int, predicted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "MANY", many)
    single = [record for record in predicted.records if record.cell.seed == 0]
    notes = build([replace(predicted, records=single)], ()).notes
    assert not any("±" in note for note in notes)


def halves(cell: str) -> dict[str, np.ndarray]:
    """Every second answer is right."""
    return make_predictions((np.arange(200) % 2).astype(float))


def test_notes_explain_the_marks_of_scores_and_times() -> None:
    plain = build([run_of("quick", *seeds("full"))], ()).notes
    assert (EXACT in plain, POINTS in plain) == (True, False)  # every answer is right
    assert not any("Adapted" in note for note in plain)
    wrong = Run("quick", [make_record(seed=n, accuracy=0.9 - 0.4 * n) for n in range(2)], halves)
    assert POINTS in build([wrong], ()).notes
    calm = Run("quick", [make_record(seed=n) for n in range(2)], halves)
    assert not {EXACT, WIDE, POINTS} & {*build([calm], ()).notes}
    adapted = build([run_of("quick", *seeds("full", adaptations=("micro-batch 4",)))], ()).notes
    assert any(note.startswith("Suite quick: † Adapted while running: micro-batch 4") for note in adapted)


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
