"""Convergence: the epochs and seconds a strategy needs to reach 90% and 99% of its best validation score, and which
runs were still improving when their budget ended."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.analysis.groups import Group, gather
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.curve import Point
from bench.runs.record import Record

SHARES = (0.9, 0.99)
FALLING = 0.01
"""By which share of itself the validation loss must fall in the last interval for a run to count as unconverged.
The rate decays to zero, so a smaller step is what every budget ends with."""


def reached(curve: Sequence[Point], share: float) -> Point | None:
    """The first point whose score is at least `share` of the curve's best, or the best itself where that is a
    correlation below 0; None for an empty curve."""
    best = max((point.score for point in curve), default=0.0)
    return next((point for point in curve if point.score >= min(share * best, best)), None)


def unconverged(record: Record) -> bool:
    """Whether a finished run's validation loss was lowest in its last state and still falling: more epochs may
    raise its score. A run that was validated once cannot tell."""
    losses = [point.loss for point in record.curve]
    if record.status != "done" or len(losses) < 2:
        return False
    return losses[-1] == min(losses) and losses[-1] < (1 - FALLING) * losses[-2]


def build(records: Sequence[Record]) -> Table:
    """The convergence table: one block per task, medians over seeds. BenchError where no record has a curve."""
    groups = [group for group in gather(records).values() if any(record.curve for record in group.done)]
    if not groups:
        raise BenchError("no record has a learning curve: run the suite first", code="no-learning-curve")
    columns = [Column("best", "best validation", "percent")]
    for share in SHARES:
        name = f"{100 * share:g}%"
        columns.append(Column(f"epochs-{name}", f"epochs to {name}", "rank"))
        columns.append(Column(f"seconds-{name}", f"seconds to {name}", "seconds"))
    blocks: dict[str, list[Row]] = {}
    for group in groups:
        blocks.setdefault(group.key.task, []).append(_row(group))
    return Table(
        "Convergence: time to a share of the best validation score",
        ("strategy", "backbone"),
        tuple(columns),
        tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        (
            "Each column gives the first evaluation that reaches this share of the strategy's best score, as a "
            "median over seeds. Seconds count training and validation, not the preparation before them.",
        ),
        "task",
    )


def _row(group: Group) -> Row:
    curves = [record.curve for record in group.done if record.curve]
    entries = [Entry(median(max(point.score for point in curve) for curve in curves))]
    for share in SHARES:
        points = [point for curve in curves if (point := reached(curve, share)) is not None]
        entries.append(Entry(float(median(point.epoch for point in points))))
        entries.append(Entry(float(median(point.seconds for point in points))))
    return Row((group.key.strategy, group.key.backbone), tuple(entries))
