"""Comparisons as a table: seconds, how many times this engine's, and how the scores compare."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.number_format import ABSENT
from bench.contracts import Recipe
from bench.peers.comparing import MARGIN, Case, Equality, SideComparison, Speed, compare, pooled
from bench.peers.measurement import CLASSIFIERS, SIDES, PeerResults, Side

COLUMNS = (
    Column("learn", "learn, s", "seconds"),
    Column("learn_ratio", "× this engine", "text"),
    Column("whole", "whole, s", "seconds"),
    Column("whole_ratio", "× this engine", "text"),
    Column("score", "score", "score"),
    Column("difference", "this engine − it", "text"),
    Column("repeats", "repeats", "count"),
)

LIMITS = (Column("limit", "at least, s", "seconds"), Column("reached", "reached", "text"))
"""Where rates were measured beside the cells."""

LIMIT_RULE = (
    "At least: the matrix products of this engine's training at the rate of a large one, and the bytes of its "
    "optimizer at the bandwidth of a copy. Both rates are measured in the process of the cell after its clocks "
    "have ended. Activations and copies between layers come on top. Reached: the share of learn that this is."
)

RULE = (
    "Learn: seconds to read rows, tokenise, load the encoder and train (this engine: with the pass that fills "
    "its prefix cache; Trainer: from its constructor to the end of train(), at its defaults with the checkpoint "
    "that it writes at the end). No evaluation on either side.",
    "Whole: the same, and the test set; this engine also pays for a validation pass after each epoch, by which "
    "it selects its final state, and Trainer keeps its last state. Of a suite: this engine's wall-clock time for "
    "all of its cells in one process, records written, against the sum of the peer's cells at their medians.",
    "Every measurement is a process of its own; importing libraries and downloading are not counted. Times: "
    "ratio of medians over repeats, and the range of the ratios of single repeats. The order of the sides "
    "alternates.",
    "Same rows, tokenisation, weights, head, batch size, steps, learning rates and schedule, phase by phase. "
    "Trainer tuned: bf16 where the device has it, sequences of like length in a batch, nothing saved; AdamW is "
    "fused in both. Trainer leaves dropout on in frozen layers, this engine does not.",
)


def build(results: PeerResults) -> Table:
    """A block for each task, a row for each side of each strategy."""
    comparisons = compare(results.measurements)
    limited = any(c.limit for c in comparisons)
    blocks = []
    for task in dict.fromkeys(c.case.task for c in comparisons):
        rows = [_row(c, results, limited) for c in comparisons if c.case.task == task]
        blocks.append(Block(task, tuple(rows)))
    return Table(
        "The same cells through this engine and through its peers",
        ("strategy", "side"),
        (*COLUMNS, *(LIMITS if limited else ())),
        tuple(blocks),
        (
            *RULE,
            *((LIMIT_RULE,) if limited else ()),
            *_notes(comparisons),
            *_quality(results),
            *_terms(results),
        ),
        "task",
    )


def as_json(results: PeerResults) -> str:
    """Machine, recipes, every measurement, and the comparisons."""
    comparisons = [dataclasses.asdict(comparison) for comparison in compare(results.measurements)]
    value = {**results.model_dump(mode="json"), "margin": MARGIN, "comparisons": comparisons}
    return json.dumps(value, indent=1)


def _row(comparison: SideComparison, results: PeerResults, limited: bool) -> Row:
    case = comparison.case
    strategy = case.strategy or _suite_name(case)
    note = comparison.reason if not comparison.whole else ""
    entries = (
        _seconds(comparison.learn, note),
        Entry(_times(comparison.learn, comparison)),
        _seconds(comparison.whole, ""),
        Entry(_times(comparison.whole, comparison)),
        Entry(comparison.score),
        Entry(_difference(comparison.equality)),
        Entry(float(comparison.repeats)),
    )
    share = comparison.reached
    limits = (Entry(comparison.limit), Entry(ABSENT if share is None else f"{100 * share:.0f}%"))
    return Row((strategy, SIDES[comparison.side]), entries + limits if limited else entries)


def _suite_name(case: Case) -> str:
    strategies = len(set(case.suite))
    return f"all {strategies} × {len(case.suite) // strategies} seeds"


def _seconds(speed: Speed | None, note: str) -> Entry:
    return Entry(speed.seconds) if speed else Entry(note=note)


def _times(speed: Speed | None, comparison: SideComparison) -> str:
    if speed is None:
        return ABSENT
    if comparison.side == "engine":
        return "1"
    if comparison.repeats == 1:
        return f"{speed.ratio:.1f} (measured once)"
    return f"{speed.ratio:.1f} ({speed.lowest:.1f} to {speed.highest:.1f})"


def _difference(equality: Equality | None) -> str:
    """Points, with half of the 95% interval over seeds; the notes say whether scores are equivalent."""
    if equality is None:
        return ABSENT
    points = f"{100 * equality.difference:+.1f}"
    return points if equality.half is None else f"{points} ± {100 * equality.half:.1f}"


def _notes(comparisons: Sequence[SideComparison]) -> list[str]:
    sides = {c.side for c in comparisons}
    notes = {
        "LogisticRegression is another estimator than a linear head trained by AdamW: L2, solved to "
        "convergence.": bool(sides & set(CLASSIFIERS)),
        "setfit: the same weights, pooling, number and size of batches of pairs, learning rate, warm-up and "
        "decay; its own choice of pairs, and LogisticRegression at its default penalty, where this engine "
        "chooses the penalty on validation data.": "setfit" in sides,
    }
    return [note for note, is_needed in notes.items() if is_needed]


def _quality(results: PeerResults) -> list[str]:
    """A sentence for each side and task: whether its scores are equivalent to this engine's."""
    found = []
    same: tuple[Side, ...] = ("trainer", "trainer-tuned", "setfit")  # other sides fit another estimator
    for side in same:
        for task, equality in pooled(results.measurements, side).items():
            found.append(f"{task}, {SIDES[side]}: {_verdict(equality)}")
    if not found:
        return []
    head = (
        "Quality over all strategies, paired by seed; equivalent means within "
        f"{100 * MARGIN:g} point, a margin that is a choice (two one-sided t tests at 5%). ± is half of a 95% "
        "interval over seeds."
    )
    return [" ".join([head, *(f"{line}." for line in found)])]


def _verdict(equality: Equality) -> str:
    if equality.p is None or equality.half is None:
        points = f"{100 * equality.difference:+.1f} points"
        if equality.pairs == 1:
            return f"{points} from a single pair, which proves nothing"
        return (
            f"not shown to be equivalent ({points} with each of {equality.pairs} seeds: no spread to test by)"
        )
    verdict = "equivalent" if equality.equivalent else "not shown to be equivalent"
    size = f"{100 * equality.difference:+.1f} ± {100 * equality.half:.1f} points, {equality.pairs} seeds"
    return f"{verdict} ({size}, p = {equality.p:.3f})"


def _terms(results: PeerResults) -> list[str]:
    recipes = [f"{task}: {_recipe(recipe)}" for task, recipe in results.recipes.items()]
    m = results.machine
    dirty = " with changes" if m.dirty else ""
    versions = ", ".join(f"{name} {v}" for name, v in m.versions.items() if name in ("torch", "transformers"))
    machine = f"{m.device} · {m.dtype} · {m.threads} threads · {m.processor} · {m.system}; {versions}"
    return [
        f"Recipes: {'; '.join(recipes)}.",
        f"Machine: {machine}; commit {m.commit or 'unknown'}{dirty}.",
    ]


def _recipe(recipe: Recipe) -> str:
    values: list[tuple[Any, str]] = [
        (recipe.train, "training examples"),
        (recipe.test, "test examples"),
        (recipe.epochs, "epochs"),
    ]
    sizes = [f"{value:g} {name}" for value, name in values if value is not None]
    return f"{', '.join(sizes)}, batches of {recipe.batch_size}, up to {recipe.max_length} tokens"
