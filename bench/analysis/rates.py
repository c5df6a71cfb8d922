"""Score against learning rate: what every strategy scores on validation rows at each scale that it tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.analysis.groups import Group, gather
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.record import Record

EDGE = "edge"
"""Marks a scale that was kept at an end of its grid."""


@dataclass(frozen=True)
class Tried:
    """A scale of a strategy's default rates, as a group tried it. score: the mean headline score of its seeds on
    validation rows. kept: how many of its `seeds` kept this scale."""

    scale: float
    score: float
    kept: int
    seeds: int


def scales_of(records: Sequence[Record]) -> list[float]:
    """All scales that were tried, ascending."""
    return sorted({trial.scale for record in records for trial in record.trials})


def score_at(group: Group, scale: float) -> float | None:
    """The mean validation score of a group's seeds at a scale; None where it was not tried or a seed diverged."""
    tried = [trial for record in group.done for trial in record.trials if trial.scale == scale]
    found = [trial.score for trial in tried if trial.score is not None]
    return fmean(found) if found and len(found) == len(tried) else None


def tried(group: Group) -> list[Tried]:
    """The scales that all seeds of a group tried without diverging, ascending."""
    found = []
    for scale in scales_of(group.done):
        score = score_at(group, scale)
        if score is not None:
            trials = [trial for record in group.done for trial in record.trials if trial.scale == scale]
            found.append(Tried(scale, score, sum(trial.kept for trial in trials), len(trials)))
    return found


def build(records: Sequence[Record]) -> Table:
    """One block per task: the scores at each scale, and that of the scale that was kept. BenchError where no cell
    tried several."""
    groups = [group for group in gather(records).values() if any(record.trials for record in group.done)]
    if not groups:
        raise BenchError(
            "no cell tried several learning rates: run a suite with recipe.tune, or with --rates development",
            code="no-rates-tried",
        )
    scales = scales_of(records)
    columns = [
        Column("kept", "scale kept", "text"),
        *(Column(f"scale-{scale:g}", f"× {scale:g}", "percent") for scale in scales),
    ]
    blocks: dict[str, list[Row]] = {}
    for group in groups:
        entries = (Entry(_kept(group)), *(_entry(group, scale) for scale in scales))
        blocks.setdefault(group.key.task, []).append(Row((group.key.strategy, group.key.backbone), entries))
    return Table(
        "Score against learning rate",
        ("strategy", "backbone"),
        tuple(columns),
        tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        (
            f"{_tried(groups)} The columns hold the headline score on validation rows, as a mean over seeds; no "
            "test row was read for them.",
            "Kept: the scale with the lowest validation loss, with the number of seeds where seeds differ.",
            *_edges(groups),
        ),
        "task",
    )


def _tried(groups: Sequence[Group]) -> str:
    """Whether all strategies had the same grid."""
    if len({tuple(scales_of(group.done)) for group in groups}) == 1:
        return "Each strategy tried the same scales of its own default rates."
    return "Each strategy tried scales of its own default rates, those at which it has an entry."


def _entry(group: Group, scale: float) -> Entry:
    score = score_at(group, scale)
    tried = any(trial.scale == scale for record in group.done for trial in record.trials)
    return Entry(note="diverged") if tried and score is None else Entry(score)


def at_edge(record: Record) -> bool:
    """Whether the scale that a record kept is the smallest or the largest that it tried. Not where all have one
    loss: a single scale, or a head that is solved for, whatever its rate."""
    scales = {trial.scale for trial in record.trials}
    return len({trial.loss for trial in record.trials}) > 1 and any(
        trial.kept and trial.scale in (min(scales), max(scales)) for trial in record.trials
    )


def _kept(group: Group) -> str:
    """The scales that seeds kept, in how many where they differ, and `(edge)` after one at an edge of its grid."""
    kept = sorted(trial.scale for record in group.done for trial in record.trials if trial.kept)
    edges = {trial.scale for record in group.done if at_edge(record) for trial in record.trials if trial.kept}
    counts = {scale: kept.count(scale) for scale in kept}
    parts = []
    for scale, count in counts.items():
        marks = [str(count)] if len(counts) > 1 else []
        marks += [EDGE] if scale in edges else []
        parts.append(f"× {scale:g}" + (f" ({', '.join(marks)})" if marks else ""))
    return ", ".join(parts)


def _edges(groups: Sequence[Group]) -> list[str]:
    """What the mark of an edge means, where a row has it."""
    if not any(at_edge(record) for group in groups for record in group.done):
        return []
    return [
        f"{EDGE.capitalize()}: the smallest or largest scale that was tried; a better rate may lie beyond it."
    ]
