"""What a table says about a run."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import ranking
from bench.analysis.opening import open_source
from bench.analysis.tables.build import ACROSS_TASKS, TableOptions, build, with_uncertainty
from bench.analysis.tables.footnotes import recipe_text
from bench.analysis.tables.formats import render
from bench.analysis.tables.model import Entry, Table
from bench.contracts import BenchError, Metric, Recipe
from bench.runs.record import Record, Seconds, Trial
from tests.analysis.conftest import make_record


def entry(table: Table, title: str, labels: tuple[str, ...], key: str) -> Entry:
    block = next(block for block in table.blocks if block.title == title)
    row = next(row for row in block.rows if row.labels == labels)
    return row.entries[[column.key for column in table.columns].index(key)]


def test_a_score_is_the_mean_over_seeds_with_the_standard_deviation(grid):
    found = entry(build(grid), "reviews", ("full", "minilm"), "accuracy")
    assert (found.value, found.spread) == (pytest.approx(0.82), pytest.approx(0.004))


def test_the_best_of_a_task_is_marked(grid):
    table = build(grid)
    marks = {row.labels[0]: row.entries[0].mark for row in table.blocks[0].rows if row.labels[1] == "minilm"}
    assert marks == {"frozen": "", "top-layers": "", "full": "best"}


def test_seconds_are_cold_and_the_median_over_seeds(grid):
    assert entry(build(grid), "reviews", ("full", "minilm"), "seconds").value == pytest.approx(10.1)


def test_time_is_relative_to_full_on_the_same_task_and_backbone(grid):
    assert entry(build(grid), "reviews", ("frozen", "minilm"), "relative").value == pytest.approx(2.1 / 10.1)


def test_a_time_of_zero_has_no_ratio(grid):
    """The geometric mean over tasks has no place for it."""
    unknown = [
        r.model_copy(update={"seconds": Seconds()}) if r.cell.strategy == "frozen" else r for r in grid
    ]
    assert entry(build(unknown), "reviews", ("frozen", "minilm"), "relative").value is None
    across = build(unknown, None, TableOptions(rows=ACROSS_TASKS))
    assert entry(across, "", ("frozen", "minilm"), "all tasks/relative").value is None


def test_time_is_not_related_to_another_machine(grid):
    machine = grid[0].machine.model_copy(update={"threads": 64})
    moved = [r.model_copy(update={"machine": machine}) if r.cell.strategy == "frozen" else r for r in grid]
    assert entry(build(moved), "reviews", ("frozen", "minilm"), "relative").value is None


def test_time_is_not_related_where_seeds_of_both_ran_on_two_machines(grid):
    """Interrupted on one and resumed on the other: which seeds ran where differs between strategies."""
    slow = grid[0].machine.model_copy(update={"processor": "Slow CPU"})
    last = {"full": (2,), "frozen": (1, 2)}
    moved = [
        r.model_copy(update={"machine": slow}) if r.cell.seed in last.get(r.cell.strategy, ()) else r
        for r in grid
    ]
    assert entry(build(moved), "reviews", ("frozen", "minilm"), "relative").value is None


def test_cells_with_another_recipe_are_named_first(grid):
    """As where a run folder was finished with one setting and begun again with another."""
    assert not [note for note in build(grid).notes if note.startswith("Not comparable")]
    cell = grid[0].cell
    longer = replace(cell, recipe=replace(cell.recipe, epochs=9.0))
    (note,) = [
        note
        for note in build([grid[0].model_copy(update={"cell": longer}), *grid[1:]]).notes
        if note.startswith("Not comparable")
    ]
    assert note.startswith(
        f"Not comparable on {cell.task}: cells ran with different recipes (epochs), such as "
    )
    assert cell.id in note


def test_cells_on_other_rows_are_named(grid):
    data = grid[0].data.model_copy(update={"fingerprint": "other"})
    notes = build([grid[0].model_copy(update={"data": data}), *grid[1:]]).notes
    assert any(note.startswith("Not comparable on reviews: cells ran with different rows") for note in notes)


def test_a_failed_seed_is_seen_in_the_row_and_explained_below(grid):
    table = build(grid)
    assert entry(table, "news", ("full", "minilm"), "seeds").note == "2/3"
    assert any("news/full/minilm/seed2 oom: out of memory at batch 32" in note for note in table.notes)


def test_a_cell_that_failed_in_every_seed_says_so_in_place_of_its_score():
    lost = make_record(status="diverged", reason="loss is not a number", scores={})
    table = build([lost, make_record(strategy="frozen")])
    assert entry(table, "reviews", ("full", "minilm"), "accuracy").note == "diverged"


def test_a_strategy_that_one_task_lacks_is_seen_there(grid):
    assert entry(build(grid), "news", ("frozen", "glove"), "accuracy").note == "not run"


def test_degenerate_runs_are_counted_and_named(grid):
    table = build(grid)
    assert entry(table, "reviews", ("frozen", "glove"), "seeds").note == "3 (3 degenerate)"
    assert any(note.startswith("Degenerate: 3 of the finished runs") for note in table.notes)


def test_strategies_are_ordered_by_what_they_train(grid):
    assert [row.labels[0] for row in build(grid).blocks[0].rows][:3] == ["frozen", "top-layers", "full"]


@pytest.mark.parametrize(("adapter", "name"), [("ner", "token accuracy"), ("qa", "exact match")])
def test_accuracy_is_called_what_it_is(adapter, name):
    table = build([make_record("t", adapter=adapter), make_record("t", "frozen", adapter=adapter)])
    assert (table.columns[0].key, table.columns[0].heading) == ("accuracy", name)
    assert f"Accuracy is {name} on t." in table.notes
    mixed = build([make_record("t", adapter=adapter), make_record("reviews")])
    assert mixed.columns[0].heading == "accuracy"
    assert f"Accuracy is {name} on t." in mixed.notes
    rows = [make_record("t", adapter=adapter), make_record("reviews")]
    across = build(rows, options=TableOptions(rows=ACROSS_TASKS, columns=("accuracy",)))
    assert {column.group: column.heading for column in across.columns} == {"t": name, "reviews": "accuracy"}
    assert not any("Accuracy is" in note for note in build([make_record("reviews")]).notes)


def test_times_measured_once_are_named():
    note = "Times measured once, which are no evidence that one strategy is faster than another: "
    assert f"{note}all rows." in build([make_record(), make_record(strategy="frozen")]).details
    both = [make_record(), make_record(strategy="frozen"), make_record(strategy="frozen", seed=1)]
    assert f"{note}reviews/full/minilm." in build(both).details
    shared = [make_record(seed=n, seconds=Seconds(prefix=8, train=1 + n, cold=9 + n)) for n in range(2)]
    assert f"{note}all rows." in build(shared).details
    assert not any("measured once" in text for text in build(both[1:]).details)


def test_recipes_that_differ_between_tasks_are_both_in_the_notes(grid):
    other = make_record("qa", recipe=Recipe(max_length=320))
    notes = build([*grid, other]).details
    assert any(note.startswith("Recipe (qa):") and "up to 320 tokens" in note for note in notes)


GOES_WITH = {"schedule_ratio": {"schedule": "slanted-triangular"}}
"""The terms that a field of a recipe needs beside it."""


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_every_term_of_a_recipe_is_in_its_footnote(field):
    """But sizes, which are among the examples."""
    value = getattr(Recipe(), field)
    choices = typing.get_args(typing.get_type_hints(Recipe)[field])
    named = next((choice for choice in choices if isinstance(choice, str) and choice != value), None)
    numbers = {"encoder_dropout": 0.3, "tune": (0.3, 1.0), "unlabelled": "texts.txt"}
    other = not value if isinstance(value, bool) else named or numbers.get(field) or (value or 40) * 0.5
    plain = dataclasses.replace(Recipe(), **GOES_WITH.get(field, {}))
    changed = dataclasses.replace(plain, **{field: other})
    said = any(
        recipe_text(changed, adapter) != recipe_text(plain, adapter) for adapter in ("sentiment", "qa")
    )
    assert said == (field not in ("train", "validation", "test"))


def test_a_footnote_says_nothing_of_switches_that_are_off():
    text = recipe_text(Recipe(), "sentiment")
    assert not any(word in text for word in ("shift", "scale", "stride", "context", "_"))


def test_across_tasks_a_row_has_an_average_and_a_rank(grid):
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS))
    average = entry(table, "", ("top-layers", "minilm"), "all tasks/average")
    assert average.value == pytest.approx(0.825)
    assert entry(table, "", ("top-layers", "minilm"), "all tasks/rank").value == 2


def test_across_tasks_time_is_the_geometric_mean_of_its_ratios(grid):
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS))
    ratios = [
        entry(build(grid), task, ("frozen", "minilm"), "relative").value for task in ("reviews", "news")
    ]
    found = entry(table, "", ("frozen", "minilm"), "all tasks/relative").value
    assert found == pytest.approx((ratios[0] * ratios[1]) ** 0.5)


def test_averages_are_not_tested_and_so_not_marked(grid):
    """Bold beside plain would say that a test told them apart."""
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS))
    names = [column.key for column in table.columns]
    marks = {
        name: {row.entries[names.index(name)].mark for row in table.blocks[0].rows}
        for name in ("all tasks/average", "all tasks/rank", names[0])
    }
    assert marks == {"all tasks/average": {""}, "all tasks/rank": {""}, names[0]: {"", "best"}}


@pytest.mark.parametrize("suite", ["quick", "reference"])
def test_mean_ranks_are_those_of_the_table_of_ranks(suite):
    """A row that lacks a task has no rank, and takes none from others."""
    source = open_source(str(Path(__file__).parents[3] / "results" / "baselines" / f"{suite}.jsonl"))
    table = build(source.records, options=TableOptions(rows=ACROSS_TASKS, columns=("rank",)))
    found = {row.labels: row.entries[0].value for row in table.blocks[0].rows}
    ranks = ranking.rank(source.records, source.predictions)
    assert {row: rank for row, rank in found.items() if rank} == {
        tuple(item.row): pytest.approx(item.rank.value) for item in ranks.rows
    }


def test_there_is_no_average_over_fewer_tasks(grid):
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS))
    assert entry(table, "", ("frozen", "glove"), "all tasks/average").value is None


def test_percent_of_full_has_a_form_that_counts_from_the_floor(grid):
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS))
    plain = (0.70 / 0.82 + 0.75 / 0.868) / 2
    corrected = (0.20 / 0.32 + 0.25 / 0.368) / 2
    labels = ("frozen", "minilm")
    assert entry(table, "", labels, "all tasks/of-full").value == pytest.approx(plain)
    assert entry(table, "", labels, "all tasks/of-full-corrected").value == pytest.approx(corrected)


def test_a_metric_can_be_chosen(grid):
    table = build(grid, options=TableOptions(rows=ACROSS_TASKS, metric="f1"))
    assert entry(table, "", ("full", "minilm"), "reviews/headline").value == pytest.approx(0.81)


def test_an_unknown_metric_is_called_so(grid):
    with pytest.raises(BenchError, match="did you mean 'accuracy'") as error:
        build(grid, options=TableOptions(metric="acuracy"))
    assert error.value.code == "unknown-metric"


def test_tasks_without_the_usual_metrics_show_all_of_their_own():
    metrics = (Metric("mae", "error", ("error",)), Metric("rho", "spearman", ("gold", "predicted")))
    numbers = make_record("sts", headline="mae", metrics=metrics, scores={"test": {"mae": 3.0, "rho": 0.5}})

    def names(*records: Record) -> list[str]:
        return [column.name for column in build(records).columns]

    measures = ["seconds", "relative", "trainable", "memory", "seeds"]
    assert names(make_record()) == ["accuracy", "f1", *measures]
    assert names(numbers) == ["mae", "rho", *measures]
    for both in ((make_record(), numbers), (numbers, make_record())):
        assert names(*both) == ["accuracy", "f1", "mae", "rho", *measures]


@pytest.mark.parametrize(
    ("columns", "metrics"),
    [
        (("f1", "seconds"), {"f1"}),
        (("headline",), {"accuracy"}),
        (("f1", "headline"), {"f1", "accuracy"}),
        (("accuracy", "headline"), {"accuracy"}),
    ],
)
def test_only_the_metrics_that_are_shown_are_tested(predicted, columns, metrics):
    """Others would widen the family of tests, and with it what is called a tie."""
    _, found = with_uncertainty(predicted.records, predicted.predictions, TableOptions(columns=columns))
    assert {shown.metric for shown in found.spread} == metrics
    assert {item.metric for item in found.comparisons} == metrics


def test_an_unknown_column_suggests_the_nearest(grid):
    with pytest.raises(BenchError, match="unknown column 'acuracy'; did you mean 'accuracy'") as error:
        build(grid, options=TableOptions(columns=("acuracy",)))
    assert error.value.code == "unknown-column"
    assert error.value.code == "unknown-column"


def test_unknown_rows_list_the_valid_ones():
    with pytest.raises(BenchError, match="task,strategy,backbone or strategy,backbone") as error:
        TableOptions(rows=("seed",))
    assert error.value.code == "unknown-rows"
    assert error.value.code == "unknown-rows"


def test_no_records_is_an_error():
    with pytest.raises(BenchError) as error:
        build([])
    assert error.value.code == "no-records"


def test_predictions_turn_the_spread_into_an_interval(predicted):
    table = build(predicted.records, predicted.predictions)
    found = entry(table, "reviews", ("full", "minilm"), "accuracy")
    assert found.spread is not None
    assert 0.03 < found.spread < 0.06
    assert table.notes[0].startswith("± is half of a 95% interval over seeds and test examples")


def test_what_cannot_be_told_from_the_best_is_tied(predicted):
    rows = build(predicted.records, predicted.predictions).blocks[1].rows
    assert sorted(row.entries[0].mark for row in rows) == ["", "best", "tied"]


def test_a_table_of_no_finished_cell_still_shows_why():
    table = build([make_record(status="failed", reason="no memory", scores={})])
    assert table.blocks[0].rows[0].entries[0].note == "failed"


@pytest.mark.parametrize("format", ["md", "latex", "csv", "html", "json"])
def test_the_time_of_an_adapted_run_is_marked(format):
    records = [make_record(adaptations=("micro-batch 16",)), make_record(strategy="frozen")]
    table = build(records)
    text = render(table, format)
    assert "†" in text or "dag" in text or "adapted" in text
    column = next(place for place, column in enumerate(table.columns) if column.name == "seconds")
    marks = {row.labels[0]: row.entries[column].note for row in table.blocks[0].rows}
    assert marks == {"full": "†", "frozen": ""}


def test_the_scales_that_tuning_kept_are_in_the_notes(record):
    def tuned(seed, kept):
        trials = tuple(Trial(scale=scale, loss=0.5, kept=scale == kept) for scale in (0.3, 1.0, 3.0))
        return record(seed=seed, trials=trials, seconds=Seconds(cold=10, tune=21))

    notes = build([tuned(0, 1.0), tuned(1, 3.0), tuned(2, 3.0)]).details
    (note,) = (note for note in notes if note.startswith("Tuned:"))
    assert "3 scales of its learning rates (0.3, 1, 3)" in note
    assert "reviews: full minilm 1 (1), 3 (2)" in note
    assert "The others took 63 seconds in all" in note
