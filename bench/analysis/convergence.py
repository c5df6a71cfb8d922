"""Convergence: the epochs and seconds a strategy needs to reach 90% and 99% of its best validation score, and which
runs were still improving when their budget ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.analysis.groups import Group, gather
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.curve import Point
from bench.runs.record import Record

SHARES = (0.9, 0.99)
FALLING = 0.01
"""By which share of itself the validation loss must fall, in the last interval between validations, for a
run to count as unconverged. The rate decays to zero, so a smaller step is what every budget ends with."""


def reached(curve: Sequence[Point], share: float) -> Point | None:
    """The first point whose score is at least `share` of the curve's best, or the best itself where that is a
    correlation below 0; None for an empty curve."""
    best = max((point.score for point in curve), default=0.0)
    return next((point for point in curve if point.score >= min(share * best, best)), None)


@dataclass(frozen=True)
class Converged:
    """What the learning curves of finished runs tell. late: runs that were still improving when their budget ended.
    told: all that can tell. untold: runs that were validated too rarely to tell."""

    late: tuple[Record, ...]
    told: tuple[Record, ...]
    untold: tuple[Record, ...]


def converged(records: Iterable[Record]) -> Converged:
    """The finished runs by what their curves tell. Runs without a curve, and those of a solver, which has no budget
    to end, are in none of the three."""
    found = [record for record in records if record.status == "done" and record.curve]
    found = [record for record in found if not solved(record.curve)]
    told = [record for record in found if _interval(record.curve)]
    return Converged(
        tuple(record for record in told if unconverged(record)),
        tuple(told),
        tuple(record for record in found if not _interval(record.curve)),
    )


def unconverged(record: Record) -> bool:
    """Whether a finished run's validation loss was lowest in its last state and still falling: more epochs may
    raise its score. False too where its curve cannot tell: see `converged`."""
    curve = record.curve
    interval = None if record.status != "done" or solved(curve) else _interval(curve)
    if interval is None:
        return False
    before, last, intervals = interval
    fallen = before.loss - last.loss > FALLING * intervals * abs(before.loss)
    return fallen and last.loss == min(point.loss for point in curve)


def solved(curve: Sequence[Point]) -> bool:
    """Whether the points are penalties that a solver tried, not states on the way (bench.engine.solving). A solver
    passes over the training rows at least once a step; training takes a part of a pass, at most one."""
    return bool(curve) and curve[-1].epoch > curve[-1].step


def _interval(curve: Sequence[Point]) -> tuple[Point, Point, float] | None:
    """The last point at least half an interval between validations before the end, the end, and how many intervals
    lie between them. None where there is no such point.

    Validations are equally far apart but for the last, which may come a single step after the one before it."""
    if len(curve) < 2:
        return None
    gaps = [after.step - before.step for before, after in pairwise(curve)]
    whole = max(gaps) if len(gaps) > 1 else max(curve[0].step, *gaps)
    last = curve[-1]
    before = [point for point in curve if 2 * (last.step - point.step) >= whole > 0]
    return (before[-1], last, (last.step - before[-1].step) / whole) if before else None


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
            "median over seeds. Seconds count training and validation, not what comes before them: preparing, and "
            "the frozen prefix, in which features take most of their time.",
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
