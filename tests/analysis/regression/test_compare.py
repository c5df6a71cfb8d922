"""The regression gate: statuses, exit codes, and what it is sure of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.loading import Run
from bench.analysis.regression import regression_table
from bench.analysis.regression.compare import (
    CompareOptions,
    Finding,
    RunComparison,
    _worst_first,
    compare,
)
from bench.analysis.regression.synthetic import outcomes
from bench.analysis.tables.formats import render
from bench.contracts import BenchError, Recipe
from bench.runs.record import Record, Seconds
from tests.analysis.conftest import make_predictions, make_record

KEYS = [
    Key(task, strategy, "minilm") for task in ("reviews", "news") for strategy in ("frozen", "lora", "full")
]


def run_of(random: int, drops: Mapping[Key, float] | None = None, seeds: int = 3) -> Run:
    """Six cells on the same examples as any other run; `random` draws the seeds; drops spoil outcomes."""
    rng = np.random.default_rng(random)
    records, files = [], {}
    for place, key in enumerate(KEYS):
        difficulty = np.random.default_rng(place).normal(1.5, 2.5, (1000, 1))
        right = rng.random((1000, seeds)) < 1 / (1 + np.exp(-difficulty - rng.normal(0, 0.03, (1, seeds))))
        right = right & (rng.random((1000, seeds)) >= (drops or {}).get(key, 0.0) / 0.7)
        for seed in range(seeds):
            rows = make_predictions(right[:, seed].astype(float))
            accuracy = float(right[:, seed].mean())
            record = make_record(key.task, key.strategy, seed, accuracy=accuracy)
            records.append(record)
            files[record.cell.id] = rows
    return Run(f"run{random}", records, files.__getitem__)


def edited(run: Run, edit: Callable[[Record], Record | None]) -> Run:
    records = [new for record in run.records if (new := edit(record)) is not None]
    return replace(run, records=records)


def is_full(record: Record) -> bool:
    return (record.cell.task, record.cell.strategy) == ("reviews", "full")


def finding(comparison: RunComparison, key: Key) -> Finding:
    return next(item for item in (*comparison.strategies, *comparison.cells) if item.key == key)


FULL = Key("reviews", "full", "minilm")
BASE = run_of(0)


def test_the_same_run_is_identical_and_nothing_is_left_to_detect():
    found = compare(BASE, BASE)
    assert (found.exit_code, found.count("identical")) == (0, 6)
    assert {item.detectable for item in (*found.cells, *found.strategies)} == {0.0}


def spoilt(run: Run, count: int) -> Run:
    """The same seeds, with the same `count` right answers of reviews/full lost in each."""

    def predictions(cell: str):
        rows = dict(run.predictions(cell))
        if cell.startswith("reviews/full/"):
            right = np.flatnonzero(rows["correct"])[:count]
            rows["correct"] = rows["correct"].copy()
            rows["correct"][right] = 0
        return rows

    return replace(run, predictions=predictions)


def test_runs_of_the_same_seeds_are_compared_seed_by_seed():
    """25 examples of 1000 that every seed loses, and no other change, are found; the seeds' own noise of two
    unrelated runs would hide them."""
    found = finding(compare(BASE, spoilt(BASE, 25)), FULL)
    assert found.status == "regressed"
    assert found.reason == "compared seed by seed"
    assert found.detectable is not None
    unrelated = finding(compare(BASE, spoilt(run_of(1), 25)), FULL)
    assert unrelated.status == "unchanged"
    assert unrelated.detectable is not None
    assert found.detectable < 0.75 * unrelated.detectable


def test_examples_that_flip_both_ways_are_no_regression():
    """As after a change in rounding: 30 examples differ, 18 for the worse."""

    def predictions(cell: str):
        rows = dict(BASE.predictions(cell))
        if cell.startswith("reviews/full/"):
            rows["correct"] = rows["correct"].copy()
            rows["correct"][np.flatnonzero(rows["correct"] == 1)[:18]] = 0
            rows["correct"][np.flatnonzero(BASE.predictions(cell)["correct"] == 0)[:12]] = 1
        return rows

    assert finding(compare(BASE, replace(BASE, predictions=predictions)), FULL).status == "unchanged"


def test_other_seeds_of_the_same_code_are_unchanged():
    assert compare(BASE, run_of(1)).exit_code == 0


def test_a_deep_drop_in_one_cell_regresses_that_cell():
    found = compare(BASE, run_of(1, {FULL: 0.08}))
    assert found.exit_code == 1
    assert [item.key for item in found.cells if item.status == "regressed"] == [FULL]


def test_a_broad_drop_regresses_the_strategy():
    dropped = {key: 0.035 for key in KEYS if key.strategy == "lora"}
    found = compare(BASE, run_of(1, dropped))
    assert finding(found, Key("all tasks", "lora", "minilm")).status == "regressed"


def test_a_rise_is_an_improvement():
    found = compare(run_of(1, {FULL: 0.08}), BASE)
    assert (finding(found, FULL).status, found.exit_code) == ("improved", 0)


def test_a_certain_but_tiny_drop_is_unchanged():
    """Deterministic cells have no noise; three examples of a thousand are still no regression."""
    right = outcomes(1000, 1, 0.0, np.random.default_rng(0))[:, 0]
    worse = right.copy()
    worse[np.flatnonzero(right)[:3]] = 0

    def fixed(values: np.ndarray) -> Run:
        records = [make_record("reviews", "frozen", seed) for seed in range(3)]
        return Run("fixed", records, lambda _: make_predictions(values))

    assert compare(fixed(right), fixed(worse)).exit_code == 0
    worse[np.flatnonzero(right)[:10]] = 0
    assert compare(fixed(right), fixed(worse)).exit_code == 1


def test_an_unstable_seed_is_not_a_regression():
    """A strategy that collapses in one seed of three may do so in any run."""
    unstable = edited(BASE, lambda record: record)

    def predictions(cell: str):
        rows = dict(BASE.predictions(cell))
        if cell == "reviews/full/minilm/seed1":
            rows["correct"] = rows["correct"] * (np.random.default_rng(0).random(1000) < 0.6)
        return rows

    found = compare(run_of(1), replace(unstable, predictions=predictions))
    assert finding(found, FULL).status == "unchanged"


def test_one_seed_in_each_run_says_that_noise_is_assumed():
    found = compare(run_of(0, seeds=1), run_of(1, seeds=1))
    assert found.exit_code == 0
    assert finding(found, FULL).reason == "one seed: noise over seeds is assumed"


def test_the_detectable_drop_is_larger_for_a_cell_than_for_a_strategy():
    found = compare(BASE, run_of(1))
    cell, strategy = finding(found, FULL), finding(found, Key("all tasks", "full", "minilm"))
    assert cell.detectable is not None
    assert strategy.detectable is not None
    assert 0.005 < strategy.detectable < cell.detectable < 0.08


def test_a_cell_that_is_gone_is_missing():
    found = compare(BASE, edited(BASE, lambda record: None if is_full(record) else record))
    assert (finding(found, FULL).status, found.exit_code) == ("missing", 1)


def test_seeds_that_are_gone_make_a_cell_missing():
    found = compare(BASE, edited(BASE, lambda record: None if record.cell.seed else record))
    assert (found.count("missing"), found.exit_code) == (6, 1)
    assert finding(found, FULL).reason == "1 of the baseline's 3 seeds"


def test_planned_seeds_that_never_ran_make_a_cell_missing():
    planned = (
        *(record.cell.id for record in BASE.records),
        "reviews/full/minilm/seed3",
        "news/lora/glove/seed0",
    )
    found = compare(BASE, replace(BASE, planned=planned))
    assert (finding(found, FULL).status, found.exit_code) == ("missing", 1)
    assert finding(found, FULL).reason == "1 planned seed not run"
    assert finding(found, Key("news", "lora", "glove")).status == "missing"
    assert found.count("identical") == 5


def test_a_planned_cell_of_a_hub_encoder_that_never_ran_is_missing_once():
    """Its key is that of the baseline, not what its id makes of the encoder's name."""
    hub = [
        make_record("reviews", "full", seed, backbone="google-bert/bert-base-uncased") for seed in range(2)
    ]
    baseline = replace(BASE, records=[*BASE.records, *hub])
    found = compare(baseline, replace(BASE, planned=[record.cell.id for record in baseline.records]))
    missing = [(item.key.backbone, item.reason) for item in found.cells if item.status == "missing"]
    assert missing == [("google-bert/bert-base-uncased", "2 planned seeds not run")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": {"dtype": "bfloat16"}}, "precision (float32 then, bfloat16 now)"),
        ({"machine": {"versions": {"torch": "2.14.0"}}}, "differ in torch (2.13.0 then, 2.14.0 now)"),
        ({"machine": {"system": "Other"}}, "differ in system (Linux then, Other now)"),
        ({"machine": {"threads": 16}}, "threads (2 then, 16 now)"),
        ({"parameters": 2000}, "encoder (1,000 parameters then, 2,000 parameters now)"),
        ({"weights": "0b"}, "weights of the encoder (0a then, 0b now)"),
    ],
    ids=["precision", "torch", "system", "threads", "encoder", "weights"],
)
def test_other_conditions_are_named_before_code_is_blamed(change, said):
    def edit(record: Record) -> Record:
        assert record.machine is not None
        machine = record.machine.model_copy(update=change.get("machine", {}))
        own = {name: value for name, value in change.items() if name != "machine"}
        return record.model_copy(update={"machine": machine, **own})

    base = edited(BASE, lambda record: record.model_copy(update={"weights": "0a"}))
    found = compare(base, edited(run_of(1, {FULL: 0.2}), edit))
    assert found.exit_code == 1
    assert said in found.notes[0]
    assert said in regression_table.summary(found)


def test_a_cell_that_was_not_there_is_new():
    found = compare(edited(BASE, lambda record: None if is_full(record) else record), BASE)
    assert (finding(found, FULL).status, found.exit_code) == ("new", 0)


def test_a_cell_that_fails_now_is_failed_with_its_reason():
    def fail(record: Record) -> Record:
        lost = {"status": "oom", "reason": "no memory"}
        return record.model_copy(update=lost) if is_full(record) and record.cell.seed == 0 else record

    found = compare(BASE, edited(BASE, fail))
    assert (finding(found, FULL).status, found.exit_code) == ("failed", 1)
    assert finding(found, FULL).reason == "1 of 3 seeds oom: no memory"


def test_a_cell_that_failed_then_too_is_no_news():
    def fail(record: Record) -> Record:
        return record.model_copy(update={"status": "failed"}) if is_full(record) else record

    both = edited(BASE, fail)
    assert compare(both, both).exit_code == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: {"data": r.data.model_copy(update={"fingerprint": "x"})}, "other data"),
        (lambda r: {"data": r.data.model_copy(update={"task_version": 2})}, "task version 1 then, 2 now"),
        (lambda r: {"cell": replace(r.cell, recipe=Recipe(epochs=5))}, "recipe.epochs 3.0 then, 5 now"),
        (lambda r: {"cell": replace(r.cell, options=(("k", 2),))}, "option.k None then, 2 now"),
        (lambda _: {"headline": "f1"}, "another metric (accuracy then, f1 now)"),
    ],
    ids=["data", "version", "recipe", "options", "metric"],
)
def test_what_differs_makes_a_cell_incomparable_by_name(change, reason):
    def edit(record: Record) -> Record:
        return record.model_copy(update=change(record)) if is_full(record) else record

    found = compare(BASE, edited(BASE, edit))
    assert finding(found, FULL).status == "incomparable"
    assert reason in finding(found, FULL).reason
    assert found.exit_code == 2


def test_a_run_that_lost_a_test_set_is_incomparable():
    """All that both runs hold is the same: the cells would be identical."""

    def with_domain(record: Record) -> Record:
        return record.model_copy(update={"scores": {**record.scores, "tweets": {"accuracy": 0.7}}})

    def lose(record: Record) -> Record:
        return record if is_full(record) and record.cell.seed == 1 else with_domain(record)

    before = edited(BASE, with_domain)
    found = compare(before, edited(BASE, lose))
    assert finding(found, FULL).status == "incomparable"
    assert finding(found, FULL).reason == "no scores on tweets, which the baseline has"
    assert (found.count("identical"), found.exit_code) == (5, 2)
    assert compare(BASE, before).exit_code == 0


def test_predictions_of_other_examples_are_incomparable():
    def predictions(cell: str):
        return {**BASE.predictions(cell), "id": np.arange(1000)[::-1].astype(str).astype(object)}

    assert compare(BASE, replace(BASE, predictions=predictions)).count("incomparable") == 6


def test_nothing_in_common_cannot_be_compared():
    only = edited(BASE, lambda record: record if is_full(record) else None)
    rest = edited(BASE, lambda record: None if is_full(record) else record)
    assert compare(only, rest, CompareOptions(fail_on=())).exit_code == 2


def test_an_empty_run_is_an_error():
    with pytest.raises(BenchError) as error:
        compare(BASE, edited(BASE, lambda _: None))
    assert error.value.code == "no-records"


def test_an_unknown_gate_lists_the_valid_ones():
    with pytest.raises(BenchError, match="quality, time, memory, missing, changed") as error:
        CompareOptions(fail_on=("speed",))
    assert error.value.code == "unknown-gate"


# --------------------------------------------------------------------------------------------------
# Time and memory


def slower(factor: float, threads: int = 2) -> Run:
    def edit(record: Record) -> Record:
        seconds = Seconds(cold=record.seconds.cold * (factor if is_full(record) else 1))
        assert record.machine is not None
        machine = record.machine.model_copy(update={"threads": threads})
        return record.model_copy(update={"seconds": seconds, "machine": machine})

    return edited(BASE, edit)


def test_a_slower_cell_fails_the_time_gate_and_no_other():
    gated = compare(BASE, slower(1.6), CompareOptions(fail_on=("quality", "time")))
    assert gated.failures == ("time",)
    assert compare(BASE, slower(1.6)).exit_code == 0


def test_a_machine_that_is_slower_as_a_whole_is_no_regression_of_its_cells():
    def edit(record: Record) -> Record:
        own = 1.5 if is_full(record) else 1.0
        return record.model_copy(update={"seconds": Seconds(cold=1.67 * own * record.seconds.cold)})

    found = compare(BASE, edited(BASE, edit), CompareOptions(fail_on=("time",)))
    assert [item.key for item in found.costs if item.grew] == [FULL]
    assert any("takes 1.67 times as long" in note for note in found.notes)


def test_a_time_that_was_measured_once_gets_no_verdict():
    """Three seeds that copy one prefix are one measurement of it."""

    def prefixed(factor: float) -> Run:
        def edit(record: Record) -> Record:
            parts = Seconds(prefix=9 * factor, train=1 + 0.1 * record.cell.seed, cold=10 * factor)
            return record.model_copy(update={"seconds": parts}) if is_full(record) else record

        return edited(BASE, edit)

    found = compare(prefixed(1.0), prefixed(3.0), CompareOptions(fail_on=("time",)))
    assert found.exit_code == 0
    assert "No verdict on the time of 1 cell: it was measured once in one of the runs." in found.notes


def test_a_little_slower_is_noise():
    assert compare(BASE, slower(1.2), CompareOptions(fail_on=("time",))).exit_code == 0


@pytest.mark.parametrize(("gate", "code"), [("time", 2), ("memory", 2), ("quality", 0)])
def test_times_of_other_machines_are_not_compared_and_their_gate_cannot_be_asked(gate: str, code: int):
    found = compare(BASE, slower(3, threads=64), CompareOptions(fail_on=(gate,)))
    assert (found.exit_code, found.costs) == (code, ())
    assert any("other machines" in note for note in found.notes)


def test_more_memory_fails_the_memory_gate():
    grown = edited(BASE, lambda r: r.model_copy(update={"peak_memory": r.peak_memory * 2}))
    assert compare(BASE, grown, CompareOptions(fail_on=("memory",))).failures == ("memory",)


# --------------------------------------------------------------------------------------------------
# What people and machines read


def test_the_worst_comes_first():
    found = compare(BASE, run_of(1, {FULL: 0.08, KEYS[0]: 0.2}))
    assert [item.key for item in found.cells[:2]] == [KEYS[0], FULL]


def test_cells_without_a_change_stand_between_those_that_fell_and_those_that_rose():
    after = (0.9, None, 0.7, 0.8)
    found = _worst_first(
        [Finding(key, "unchanged", 0.8, score) for key, score in zip(KEYS, after, strict=False)]
    )
    assert [item.after for item in found] == [0.7, 0.8, None, 0.9]  # of the two in the middle, by name
    assert found[1].key < found[2].key


def test_a_strategy_on_one_task_has_no_mean_over_tasks():
    one = edited(BASE, lambda record: record if record.cell.task == "reviews" else None)
    found = compare(one, one)
    assert (found.strategies, len(found.cells)) == ((), 3)
    assert len(compare(BASE, BASE).strategies) == 3


def test_the_summary_names_the_worst_in_plain_words():
    text = regression_table.summary(compare(BASE, run_of(1, {FULL: 0.2})))
    assert text.startswith("Does not hold: quality (run1 against run0; cells: 1 regressed, 5 unchanged).")
    assert "Worst: reviews/full/minilm fell by" in text


def test_every_format_shows_a_comparison():
    shown = regression_table.table(compare(BASE, slower(1.6)))
    for format in ("md", "latex", "csv", "html", "json"):
        assert "seconds 10.0 s then, 16.0 s now" in render(shown, format)


def test_the_pull_request_form_folds_what_did_not_change():
    text = regression_table.pull_request(compare(BASE, run_of(1, {FULL: 0.2})))
    head, folded = text.split("<details>")
    assert "| reviews | full" in head
    assert "unchanged |" not in head
    assert "unchanged" in folded


def test_json_has_the_outcome_and_every_finding():
    value = json.loads(compare(BASE, run_of(1, {FULL: 0.2})).to_json())
    assert (value["exit_code"], value["failures"], len(value["cells"])) == (1, ["quality"], 6)
    assert value["cells"][0]["key"] == {"task": "reviews", "strategy": "full", "backbone": "minilm"}


def test_two_runs_that_failed_everywhere_cannot_be_compared():
    both = edited(BASE, lambda record: record.model_copy(update={"status": "failed", "reason": "no luck"}))
    found = compare(both, both)
    assert {item.status for item in found.cells} == {"unchanged"}
    assert found.exit_code == 2


def drawn(run: Run, rows: Callable[[Record], str]) -> Run:
    """The run with training rows of each seed's own."""

    def edit(record: Record) -> Record:
        cell = replace(record.cell, recipe=replace(record.cell.recipe, resample="train"))
        assert record.data is not None
        data = record.data.model_copy(update={"fingerprint": rows(record)})
        return record.model_copy(update={"cell": cell, "data": data})

    return edited(run, edit)


def test_where_seeds_draw_their_rows_those_of_the_same_seed_are_compared():
    mine = drawn(BASE, lambda record: f"rows of seed {record.cell.seed}")
    fewer = edited(mine, lambda record: record if record.cell.seed else None)
    assert finding(compare(fewer, mine), FULL).status != "incomparable"
    others = drawn(BASE, lambda record: f"other rows of seed {record.cell.seed}")
    found = finding(compare(mine, others), FULL)
    assert (found.status, "other data" in found.reason) == ("incomparable", True)


# --------------------------------------------------------------------------------------------------
# Predictions that differ without a drop


def test_predictions_that_differ_on_the_same_machine_are_said_though_no_score_fell() -> None:
    other = edited(BASE, lambda record: record)
    rows = {**BASE.predictions(other.records[0].cell.id)}
    swapped = {name: values[::-1] if name == "correct" else values for name, values in rows.items()}
    first = other.records[0].cell.id
    found = compare(
        BASE, replace(other, predictions=lambda cell: swapped if cell == first else BASE.predictions(cell))
    )
    assert found.exit_code == 0
    assert any(
        note.startswith("Predictions differ in 1 of 6 cells with the same seeds") for note in found.notes
    )


def test_they_are_a_gate_where_asked_for() -> None:
    options = CompareOptions(fail_on=("changed",))
    assert compare(BASE, BASE, options).failures == ()
    assert compare(BASE, run_of(1), options).failures == ("changed",)


def moved(run: Run, by: Mapping[Key, int]) -> Run:
    """The run with the same predictions under other seeds."""

    def later(record: Record) -> Record:
        cell = record.cell
        shift = by.get(Key(cell.task, cell.strategy, cell.backbone), 0)
        return record.model_copy(update={"cell": replace(cell, seed=cell.seed + shift)})

    new = edited(run, later)
    files = {now.cell.id: then.cell.id for now, then in zip(new.records, run.records, strict=True)}
    return replace(new, predictions=lambda cell: run.predictions(files[cell]))


@pytest.mark.parametrize("by", [dict.fromkeys(KEYS, 10), {FULL: 10}], ids=["all cells", "one cell"])
def test_the_gate_is_not_asked_of_other_seeds(by: dict[Key, int]) -> None:
    other = moved(BASE, by)
    found = compare(BASE, other, CompareOptions(fail_on=("changed",)))
    assert (found.failures, found.exit_code) == ((), 2)
    assert any(f"could not be asked of {len(by)} of 6 cells" in note for note in found.notes)
    unasked = compare(BASE, other)
    assert unasked.exit_code == 0
    assert not any("could not be asked" in note for note in unasked.notes)


def test_the_gate_fails_on_the_cells_of_which_it_is_asked() -> None:
    found = compare(BASE, moved(run_of(1), {FULL: 10}), CompareOptions(fail_on=("changed",)))
    assert (found.failures, found.exit_code, found.changed, found.unasked) == (("changed",), 1, 5, 1)


def test_the_gate_is_not_asked_of_another_machine() -> None:
    def elsewhere(record: Record) -> Record:
        assert record.machine
        return record.model_copy(update={"machine": record.machine.model_copy(update={"processor": "other"})})

    found = compare(BASE, edited(run_of(1), elsewhere), CompareOptions(fail_on=("changed",)))
    assert (found.failures, found.exit_code) == ((), 2)
    assert any("could not be asked of 6 of 6 cells" in note for note in found.notes)


def test_what_repeats_elsewhere_has_not_changed() -> None:
    """Attention is chosen by its measured speed, and may be another one where every prediction is the same."""
    then, now = (edited(BASE, with_attention(name)) for name in ("plain", "sdpa"))
    found = compare(then, now, CompareOptions(fail_on=("changed",)))
    assert (found.failures, found.exit_code, found.changed, found.unasked) == ((), 0, 0, 0)
    assert any(note.startswith("The runs differ in attention") for note in found.notes)


def test_a_condition_of_one_cell_is_none_of_another() -> None:
    def of_one(record: Record) -> Record:
        own = Key(*record.cell.id.split("/")[:3]) == FULL
        return with_attention("sdpa" if own else "plain")(record)

    then, now = edited(BASE, with_attention("plain")), edited(run_of(1), of_one)
    found = compare(then, now, CompareOptions(fail_on=("changed",)))
    assert (found.failures, found.exit_code, found.changed, found.unasked) == (("changed",), 1, 5, 1)


def with_attention(name: str) -> Callable[[Record], Record]:
    return lambda record: record.model_copy(update={"attention": name})


def test_predictions_of_other_seeds_or_conditions_are_expected_to_differ() -> None:
    assert not [note for note in compare(BASE, BASE).notes if note.startswith("Predictions differ")]
    later = edited(
        run_of(1),
        lambda record: record.model_copy(update={"cell": replace(record.cell, seed=record.cell.seed + 10)}),
    )
    files = {new.cell.id: old.cell.id for new, old in zip(later.records, run_of(1).records, strict=True)}
    moved = replace(later, predictions=lambda cell: run_of(1).predictions(files[cell]))
    assert not [note for note in compare(BASE, moved).notes if note.startswith("Predictions differ")]

    def on_another(record: Record) -> Record:
        assert record.machine
        return record.model_copy(update={"machine": record.machine.model_copy(update={"processor": "other"})})

    notes = compare(BASE, edited(run_of(1), on_another)).notes
    assert not [note for note in notes if note.startswith("Predictions differ")]
    assert any(note.startswith("The runs differ in processor") for note in notes)


def test_predictions_that_differ_under_another_library_are_not_said_to_be_of_other_code():
    def edit(record: Record) -> Record:
        assert record.machine is not None
        machine = record.machine.model_copy(update={"versions": {"torch": "2.14.0"}})
        return record.model_copy(update={"machine": machine})

    found = compare(BASE, edited(run_of(1), edit), CompareOptions(fail_on=("changed",)))
    assert not any("computes something else" in note for note in found.notes)
    assert (found.changed, found.unasked, found.exit_code) == (0, 6, 2)
