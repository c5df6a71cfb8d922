"""Footnotes in full, what they say of uncertainty, and how well times are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.groups import Key, gather
from bench.analysis.statistics.uncertainty import Shown, from_seeds
from bench.analysis.statistics.uncertainty_notes import DRAWN_ROWS, FIXED_ROWS, training_rows
from bench.analysis.tables.footnotes import mixtures, provenance, recipe_text, rules, warnings
from bench.analysis.timing import Timing, pooled_variance
from bench.contracts import Recipe
from bench.runs.record import Load, Record, Seconds, Trial
from tests.analysis.conftest import MACHINE, make_record

# --------------------------------------------------------------------------------------------------
# Footnotes


def test_failures_are_listed_by_reason_three_by_name() -> None:
    lost = [make_record(seed=n, status="oom", reason="no memory", scores={}) for n in range(5)]
    other = make_record("news", status="failed", scores={})
    (note,) = (text for text in warnings(gather([*lost, other])) if text.startswith("Not finished"))
    assert note == (
        "Not finished: 5 oom, 1 failed. reviews/full/minilm/seed0, reviews/full/minilm/seed1, "
        "reviews/full/minilm/seed2 and 2 more oom: no memory; news/full/minilm/seed0 failed: no reason recorded."
    )


@pytest.mark.parametrize(("others", "noted"), [(0.26, True), (0.25, False), (None, False)])
def test_a_busy_machine_is_named(others: float | None, noted: bool) -> None:
    machine = MACHINE.model_copy(update={"load": Load(start=1.0, end=1.0, others=others)})
    records = [make_record(machine=machine), make_record(seed=1)]
    notes = [text for text in warnings(gather(records)) if text.startswith("Busy machine")]
    expected = (
        "Busy machine: while 1 of the cells ran (reviews/full/minilm/seed0), other processes took up to 26% of the "
        "cores: their seconds are not those of a quiet machine."
    )
    assert notes == ([expected] if noted else [])


def test_adapted_cells_are_named_by_what_was_adapted() -> None:
    records = [make_record(seed=n, adaptations=("micro-batch 16",) if n else ()) for n in range(3)]
    notes = [text for text in warnings(gather(records)) if "Adapted" in text]
    assert notes == [
        "† Adapted while running: micro-batch 16 (reviews/full/minilm/seed1, reviews/full/minilm/seed2)."
    ]


def test_the_provenance_of_a_run_in_full() -> None:
    records = [make_record(seed=n, seconds=Seconds(train=5.0 + n, cold=5.0 + n)) for n in (2, 0)]
    notes = provenance(gather(records))
    assert notes[0] == "Seeds: 0, 2."
    assert notes[1] == "Examples: reviews: train 500, validation 100, test 200."
    assert notes[2] == (
        "Recipe: 3 epochs, batches of 32, up to 128 tokens, warm-up 10% of each phase, weight decay 0.01, gradient "
        "norm up to 1, validated once an epoch with patience 3, linear head, mean pooling, dropout 0.1."
    )
    assert notes[4:] == [
        "Backbones: minilm.",
        "Machine: cpu · float32 · 2 threads · Example CPU · Linux; torch 2.13.0; commit abc1234.",
    ]
    changed = MACHINE.model_copy(update={"dirty": True, "versions": {}})
    assert "; commit abc1234 (with changes)." in provenance(gather([make_record(machine=changed)]))[5]
    later = MACHINE.model_copy(update={"commit": "def5678"})
    several = [make_record(seed=seed, machine=one) for seed, one in enumerate((MACHINE, later, MACHINE))]
    assert provenance(gather(several))[5:] == [
        "Machine: cpu · float32 · 2 threads · Example CPU · Linux; torch 2.13.0; commits abc1234, def5678."
    ]


def test_sizes_are_those_of_the_records_that_state_them() -> None:
    assert not any(note.startswith("Examples") for note in provenance(gather([make_record(data=None)])))
    notes = provenance(gather([make_record(data=None), make_record(seed=1)]))
    assert "Examples: reviews: train 500, validation 100, test 200." in notes


def test_a_recipe_names_a_file_without_its_folder() -> None:
    assert recipe_text(Recipe(unlabelled="/home/me/texts.txt")).endswith(", unlabelled texts.txt")


@pytest.mark.parametrize(("poor", "verb"), [(1, "scores"), (2, "score")])
def test_degenerate_runs_are_counted(poor: int, verb: str) -> None:
    records = [make_record(seed=seed, accuracy=0.5 if seed < poor else 0.8) for seed in range(3)]
    names = ", ".join(record.cell.id for record in records[:poor])
    assert [text for text in warnings(gather(records)) if text.startswith("Degenerate")] == [
        f"Degenerate: {poor} of the finished runs {verb} within noise of chance or of the majority label ({names})."
    ]


@pytest.mark.parametrize(
    ("adapter", "windows", "contexts", "pools"),
    [
        ("", False, True, True),
        ("sentiment", False, False, True),
        ("ner", False, False, False),
        ("qa", True, True, False),
        ("unanswerable", True, True, False),
    ],
)
def test_a_recipe_names_what_its_adapter_reads(
    adapter: str, windows: bool, contexts: bool, pools: bool
) -> None:
    text = recipe_text(Recipe(max_context=1800, stride=32), adapter)
    assert ("up to 128 tokens with stride 32," in text) == windows
    assert ("contexts of up to 1,800 characters" in text) == contexts
    assert (" pooling" in text) == pools
    assert "contexts" not in recipe_text(Recipe(), adapter)


def test_weights_that_this_project_does_not_pin_are_named() -> None:
    records = [
        make_record(strategy=strategy, backbone=backbone, weights=weights)
        for strategy, backbone, weights in (
            ("full", "minilm", "0a"),
            ("full", "./mine", "0b"),
            ("lora", "./mine", "0b"),
            ("full", "owner/name", ""),
        )
    ]
    notes = provenance(gather(records))
    assert "Backbones: minilm, ./mine (weights 0b), owner/name." in notes


def test_the_rules_of_entities() -> None:
    then, now = (
        make_record("t", name, adapter="ner", scorer=rule)
        for name, rule in (("full", ""), ("lora", "conlleval"))
    )
    assert rules(gather([then, now])) == []
    (mixed,) = mixtures(gather([then, now]))
    assert mixed.startswith(
        "Not comparable on t: cells ran with different rules of scoring (an earlier one, conlleval), such as "
        "t/full/minilm/seed0 and t/lora/minilm/seed0: run the earlier again"
    )
    (single,) = rules(gather([now]))
    assert single == "F1 of entities follows conlleval, as published tables do (t)."
    assert rules(gather([make_record()])) == []


def test_tuned_cells_name_what_each_group_kept() -> None:
    def tuned(strategy: str, kept: float, seed: int) -> Record:
        trials = tuple(Trial(scale=s, loss=abs(s - kept), kept=s == kept) for s in (0.3, 1.0))
        return make_record(strategy=strategy, seed=seed, trials=trials, seconds=Seconds(cold=10, tune=21.4))

    (note,) = (
        text
        for text in provenance(gather([tuned("full", 1.0, 0), tuned("full", 0.3, 1), tuned("lora", 1.0, 0)]))
        if text.startswith("Tuned")
    )
    assert note == (
        "Tuned: every cell tried 2 scales of its learning rates (0.3, 1) and kept the one with the lowest "
        "validation loss. Kept, with the number of seeds: reviews: full minilm 0.3 (1), 1 (1), lora minilm 1 (1)."
        " In 3 of 3 cells the kept scale is at an edge of the grid: a better one may lie beyond it."
        " The others took 64 seconds in all, which no column includes."
    )


def test_tasks_with_other_scales_are_not_said_to_have_tried_all() -> None:
    def tuned(task: str, *scales: float) -> Record:
        return make_record(task, trials=tuple(Trial(scale=s, loss=s, kept=s == scales[0]) for s in scales))

    records = [tuned("a", 0.5, 1.0), tuned("b", 2.0, 1.0, 4.0), tuned("c", 1.0, 0.5)]
    (note,) = (text for text in provenance(gather(records)) if text.startswith("Tuned"))
    assert note.startswith(
        "Tuned: every cell tried scales of its learning rates (a, c: 0.5, 1; b: 1, 2, 4) and kept the one with the "
        "lowest validation loss. Kept"
    )


def test_tuned_cells_at_an_edge_of_the_grid_are_counted() -> None:
    def tuned(kept: float, seed: int) -> Record:
        trials = tuple(Trial(scale=s, loss=abs(s - kept), kept=s == kept) for s in (1.0, 0.3, 3.0))
        return make_record(seed=seed, trials=trials)

    def note(*kept: float) -> str:
        records = [tuned(scale, seed) for seed, scale in enumerate(kept)]
        return next(text for text in provenance(gather(records)) if text.startswith("Tuned"))

    said = " In 2 of 3 cells the kept scale is at an edge of the grid: a better one may lie beyond it. "
    assert said in note(0.3, 1.0, 3.0)
    assert "edge" not in note(1.0, 1.0)


# --------------------------------------------------------------------------------------------------
# Uncertainty


def test_the_spread_of_seeds_is_besseles_and_one_seed_has_none() -> None:
    records = [make_record(seed=n, accuracy=s) for n, s in enumerate((0.7, 0.8, 0.85))]
    groups = gather([*records, make_record("news")])
    found = from_seeds(groups, dict.fromkeys(groups, ("accuracy",)))
    key = Key("reviews", "full", "minilm")
    assert dict(found.spread) == {Shown(key, "accuracy"): pytest.approx(np.std([0.7, 0.8, 0.85], ddof=1))}


def test_what_is_said_of_training_rows() -> None:
    fixed, drawn = make_record("a"), make_record("b", recipe=Recipe(resample="train"))
    assert training_rows(gather([fixed])) == [FIXED_ROWS]
    assert training_rows(gather([drawn])) == [DRAWN_ROWS]
    assert training_rows(gather([fixed, drawn])) == [f"{FIXED_ROWS[:-1]} (a).", f"{DRAWN_ROWS[:-1]} (b)."]


# --------------------------------------------------------------------------------------------------
# Times


def test_the_parts_of_a_time() -> None:
    found = Timing((3.0, 5.0), (1.0, 1.0, 1.0))
    assert found.share == pytest.approx(0.8)
    assert (found.measurements, replace(found, shared=(0.5, 0.5)).measurements) == (2, 3)
    assert found.weight == pytest.approx(0.8**2 / 2 + 0.2**2 / 3)
    assert Timing((0.0,), (0.0,)).share == 0
    assert found.samples() == [[math.log(3), math.log(5)], [0, 0, 0]]
    rare = Timing((0.1, 0.12), (1.0, 1.1))
    assert rare.samples() == [[0, math.log(1.1)]]  # a tenth of the time counts, less does not
    assert len(Timing((1.0, 1.0), (9.0, 9.0)).samples()) == 2
    assert pooled_variance([[1.0, 3.0], [5.0], [1.0, 2.0, 3.0]]) == pytest.approx((4 / 3, 3))
    assert pooled_variance([[1.0]]) == (0, 0)
