"""The columns that a table has on request: what cells chose, and their scores at default rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.tables.build import ACROSS_TASKS, TableOptions, build
from bench.analysis.tables.model import Entry, Table
from bench.analysis.tables.number_format import number
from bench.contracts import BenchError, Recipe
from bench.runs.record import Record, Trial
from tests.analysis.conftest import MACHINE, make_predictions, make_record
from tests.analysis.numeric import numeric_run
from tests.analysis.test_derived import derived, predictions


def shown(records: list[Record], *columns: str, at_default: Run | None = None) -> dict[str, dict[str, Entry]]:
    """The entries of the first task by strategy and column."""
    return by_strategy(build(records, options=TableOptions(columns=columns, at_default=at_default)))


def by_strategy(table: Table) -> dict[str, dict[str, Entry]]:
    names = [column.name for column in table.columns]
    return {row.labels[0]: dict(zip(names, row.entries, strict=True)) for row in table.blocks[0].rows}


# --------------------------------------------------------------------------------------------------
# What cells chose


def chose(*found: dict[str, float]) -> list[Record]:
    return [make_record(seed=seed, chosen=chosen) for seed, chosen in enumerate(found)]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([{"label_threshold": 0.35}], "label threshold 0.35"),
        ([{"block": 3}, {"block": 3}], "block 3"),
        ([{"block": 3}, {"block": 4}, {"block": 3}], "block 3, 4, 3"),
        ([{"wise-ft-weight": 0.7, "wise-ft-loss": 0.123}], "wise-ft-weight 0.7"),
        ([{"temperature": 1.234, "block": 2}], "temperature 1.23; block 2"),
        ([{"block": value} for value in (5, 1, 2, 3, 4)], "block 5, 1, 2, 3, 4"),
        ([{"block": value} for value in (5, 1, 2, 3, 4, 6)], "block 1 to 6"),
    ],
)
def test_choices_are_named_and_listed_by_seed_where_they_differ(found: list[dict[str, float]], text: str):
    assert shown(chose(*found), "chosen")["full"]["chosen"].value == text


def test_a_cell_that_chose_nothing_has_an_empty_entry():
    assert shown(chose({}), "chosen")["full"]["chosen"] == Entry()


def test_choices_have_a_footnote_where_they_are_shown():
    def said(*columns: str) -> bool:
        table = build(chose({"block": 3}), options=TableOptions(columns=columns))
        return any(note.startswith("Chosen:") for note in table.details)

    assert said("accuracy", "chosen")
    assert not said("accuracy")


def test_rates_are_the_recipe_s_scale_times_the_one_that_tuning_kept():
    tuned = (Trial(scale=0.3, loss=0.2, kept=True), Trial(scale=1.0, loss=0.4, kept=False))
    records = [
        make_record(recipe=Recipe(rate_scale=2.0)),
        make_record(strategy="lora", recipe=Recipe(rate_scale=2.0, tune=(0.3, 1.0)), trials=tuned),
    ]
    found = shown(records, "rate-scale")
    assert {name: row["rate-scale"].value for name, row in found.items()} == {"full": "× 2", "lora": "× 0.6"}


def test_choices_of_every_task_are_shown_side_by_side():
    records = [make_record(task, chosen={"block": n}) for n, task in enumerate(("reviews", "news"))]
    table = build(records, options=TableOptions(rows=ACROSS_TASKS, columns=("chosen",)))
    assert [entry.value for entry in table.blocks[0].rows[0].entries] == ["block 0", "block 1"]


# --------------------------------------------------------------------------------------------------
# Scores at default rates

TUNED = Recipe(rate_scale=3.0)


def at_default(*records: Record) -> Run:
    return Run("plain", records, lambda cell: {})


def test_the_score_at_default_rates_stands_beside_the_tuned_one():
    tuned = [make_record(seed=seed, recipe=TUNED, accuracy=0.9) for seed in range(2)]
    plain = at_default(make_record(accuracy=0.7), make_record(seed=1, accuracy=0.8))
    row = shown(tuned, "headline", "default-rates", at_default=plain)["full"]
    assert (row["headline"].value, row["default-rates"].value) == (pytest.approx(0.9), pytest.approx(0.75))
    assert row["default-rates"].spread == pytest.approx(np.std([0.7, 0.8], ddof=1))


def test_a_cell_whose_tuned_rate_is_the_default_needs_no_second_run():
    found = shown([make_record(accuracy=0.8), make_record(strategy="lora", recipe=TUNED)], "default-rates")
    assert found["full"]["default-rates"].value == 0.8
    assert found["lora"]["default-rates"] == Entry()


def test_the_best_at_default_rates_is_not_marked_since_nothing_tested_it():
    tuned = [make_record(strategy=name, recipe=TUNED) for name in ("full", "lora")]
    plain = at_default(make_record(accuracy=0.7), make_record(strategy="lora", accuracy=0.6))
    found = shown(tuned, "accuracy", "default-rates", at_default=plain)
    assert {row["default-rates"].mark for row in found.values()} == {""}


def test_scores_at_default_rates_change_no_test_of_the_table(predicted: Run):
    tuned = [
        record.model_copy(update={"cell": replace(record.cell, recipe=TUNED)}) for record in predicted.records
    ]
    worse = make_predictions((np.arange(400) % 3 > 0).astype(float))
    plain = Run("plain", predicted.records, lambda cell: worse)
    alone = by_strategy(build(tuned, predicted.predictions, TableOptions(columns=("accuracy",))))
    options = TableOptions(columns=("accuracy", "default-rates"), at_default=plain)
    beside = build(tuned, predicted.predictions, options)
    found = by_strategy(beside)
    assert {name: row["accuracy"] for name, row in found.items()} == {
        name: row["accuracy"] for name, row in alone.items()
    }
    assert all(row["default-rates"].spread for row in found.values())
    assert any("(plain)" in note for note in beside.details)


@pytest.mark.parametrize("other", [Recipe(epochs=9), Recipe(train=10)])
def test_cells_of_another_recipe_are_not_put_beside(other: Recipe):
    with pytest.raises(BenchError, match="plain") as error:
        shown([make_record(recipe=TUNED)], "default-rates", at_default=at_default(make_record(recipe=other)))
    assert error.value.code == "other-cells"


def beside(*records: Record) -> Table:
    """The table of two tuned cells, with these records at default rates."""
    tuned = [make_record(strategy=name, recipe=TUNED) for name in ("full", "lora")]
    options = TableOptions(columns=("accuracy", "default-rates"), at_default=at_default(*records))
    return build(tuned, options=options)


def said(table: Table) -> list[str]:
    return [note for note in table.notes if "default rates" in note]


PLAIN = make_record(strategy="lora", accuracy=0.6)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            make_record(data=PLAIN.data.model_copy(update={"task_version": 2})),  # type: ignore[union-attr]
            "task version 1 tuned, 2 at default rates",
        ),
        (
            make_record(data=PLAIN.data.model_copy(update={"fingerprint": "other"})),  # type: ignore[union-attr]
            "other data (the fingerprint of the rows differs)",
        ),
        (make_record(recipe=Recipe(epochs=9)), "recipe.epochs 3.0 tuned, 9 at default rates"),
        (
            make_record(scorer="another"),
            "accuracy by the rule of an earlier version tuned, of another at default rates",
        ),
    ],
    ids=["version", "data", "recipe", "scorer"],
)
def test_scores_of_other_rows_or_settings_are_not_put_beside(other: Record, reason: str):
    table = beside(PLAIN, other)
    rows = by_strategy(table)
    assert (rows["full"]["default-rates"], rows["lora"]["default-rates"].value) == (Entry(), 0.6)
    assert said(table) == [f"Not shown at default rates: reviews/full/minilm: {reason}."]


def test_other_seeds_at_default_rates_are_named():
    table = beside(PLAIN, make_record(seed=1), make_record(seed=2))
    assert by_strategy(table)["full"]["default-rates"].value == pytest.approx(0.8)
    assert said(table) == [
        "Other seeds at default rates: reviews/full/minilm (tuned 0; at default rates 1, 2)."
    ]


def test_other_conditions_at_default_rates_are_named():
    machine = MACHINE.model_copy(update={"dtype": "bfloat16", "versions": {"torch": "2.14.0"}})
    table = beside(PLAIN, make_record(machine=machine))
    assert by_strategy(table)["full"]["default-rates"].value == pytest.approx(0.8)
    assert said(table) == [
        "At default rates under other conditions: torch (2.13.0 tuned, 2.14.0 at default rates); "
        "precision (float32 tuned, bfloat16 at default rates)."
    ]


def test_nothing_is_said_where_only_rates_differ():
    assert said(beside(PLAIN, make_record())) == []
    lost = make_record(status="failed", scores={})
    assert by_strategy(beside(PLAIN, lost))["full"]["default-rates"].note == "failed"
    assert said(beside(PLAIN, lost)) == []


def test_a_run_of_other_rows_alone_is_refused_with_its_reason():
    other = make_record(data=PLAIN.data.model_copy(update={"task_version": 2}))  # type: ignore[union-attr]
    with pytest.raises(BenchError, match="task version 1 tuned, 2 at default rates") as error:
        beside(other)
    assert error.value.code == "other-cells"


def derived_beside(metric: str, *columns: str, logits: bool = True) -> dict[str, Entry]:
    """The row of two tuned seeds beside a run at default rates whose prediction files may lack logits."""
    tuned, plain = ([make_record(seed=s, recipe=r) for s in range(2)] for r in (TUNED, Recipe()))
    at_default = Run("plain", plain, lambda cell: predictions(1, logits=logits))
    options = TableOptions(columns=(*columns, "default-rates"), metric=metric, at_default=at_default)
    return by_strategy(build(tuned, lambda cell: predictions(0), options))["full"]


@pytest.mark.parametrize("metric", ["mcc", "balanced_accuracy", "nll"])
def test_a_derived_metric_is_computed_from_the_predictions_at_default_rates_too(metric: str):
    row = derived_beside(metric, metric)
    assert row[metric].value == pytest.approx(derived(0)[0][metric])
    assert row["default-rates"].value == pytest.approx(derived(1)[0][metric])


def test_a_run_at_default_rates_needs_no_metric_but_the_one_that_ranks():
    assert derived_beside("", "accuracy", "nll", logits=False)["default-rates"].value == 0.8
    with pytest.raises(BenchError, match="no nll") as error:
        derived_beside("nll", "nll", logits=False)
    assert error.value.code == "other-cells"


def test_an_error_at_default_rates_is_in_the_units_of_its_task_and_not_tested():
    run = numeric_run({"lora": 0.7, "full": 0.45}, unit=0.4)
    options = TableOptions(columns=("mae", "default-rates"), metric="mae")
    table = build(run.records, run.predictions, options)
    rows = [row.entries for row in table.blocks[0].rows]
    for own, plain in rows:
        assert number(plain, table.columns[1], 3) == number(own, table.columns[0], 3)
    assert [plain.mark for _, plain in rows] == ["", ""]


# --------------------------------------------------------------------------------------------------
# What no cell measured


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("p50", "adds"), "No cell has measured p50: run with --set recipe.serving=true."),
        (
            ("forgetting",),
            "No cell has measured cka, cka-last, lm-loss, lm-rise: run with --set recipe.forgetting=true.",
        ),
        (("adds", "seconds"), ""),
    ],
)
def test_what_would_measure_an_empty_column_is_said(columns: tuple[str, ...], said: str) -> None:
    notes = build([make_record()], options=TableOptions(columns=columns)).notes
    assert [note for note in notes if note.startswith("No cell has measured")] == [said] * bool(said)
