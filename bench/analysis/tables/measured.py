"""What runs measured of every strategy, and which strategies none of them measured. No order is claimed: rows of
different suites have different training sets, rates and seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.sizes import task_name, train_rows
from bench.analysis.statistics.intervals import EXACT, POINTS, WIDE
from bench.analysis.statistics.uncertainty import STANDARD_DEVIATION
from bench.analysis.tables.build import TableOptions
from bench.analysis.tables.build import build as scores
from bench.analysis.tables.columns import HEADLINE
from bench.analysis.tables.footnotes import warnings
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.number_format import ABSENT
from bench.contracts import BenchError
from bench.runs.folder import MANY

NOT_MEASURED = "not measured"
MEASURES = ("seconds", "relative", "trainable", "p50")
HEADINGS = ("strategy", "suite", "task", "backbone")

INTERVALS = "± is half of a 95% interval over seeds and test examples."
RULES = (
    "Suites differ in training rows, in how rates were chosen and in seeds: the table ranks no strategies across "
    "suites, and one seed ranks none.",
    "Seconds are cold: reading rows, loading, training and scoring of one cell. Time / full is within a suite.",
)


@dataclass(frozen=True)
class Only:
    """Which results count: those of these tasks and backbones; of all where one is empty."""

    tasks: Collection[str] = ()
    backbones: Collection[str] = ()

    def fits(self, key: Key) -> bool:
        return (not self.tasks or {key.task, task_name(key.task)} & {*self.tasks} != set()) and (
            not self.backbones or key.backbone in self.backbones
        )


def build(runs: Sequence[Run], strategies: Collection[str], only: Only = Only()) -> Table:
    """A row for each strategy in each suite that measured it, from the fewest to the most trainable parameters.
    The names in `strategies` that no suite measured come last. BenchError where nothing was measured."""
    found: list[tuple[float, Row]] = []
    notes: dict[str, None] = {}
    columns: tuple[Column, ...] = ()
    for run in runs:
        for suite in dict.fromkeys(record.cell.suite for record in run.records):
            records = [record for record in run.records if record.cell.suite == suite]
            groups = {key: g for key, g in gather(records).items() if g.done and only.fits(key)}
            if groups:
                rows, columns, marks = _rows(suite, groups, replace(run, records=records))
                found += rows
                notes |= dict.fromkeys([*marks, *(f"Suite {suite}: {note}" for note in warnings(groups))])
    if not found:
        raise _nothing(runs, only)
    order: dict[str, float] = {}
    for share, row in found:
        order[row.labels[0]] = min(share, order.get(row.labels[0], share))
    found.sort(key=lambda item: (order[item[1].labels[0]], item[1].labels[0]))  # stable: suites stay in order
    absent = [Row((name, *[ABSENT] * 3), _absent(columns)) for name in sorted({*strategies} - order.keys())]
    return _without_constants([row for _, row in found], absent, columns, tuple(notes))


def _nothing(runs: Sequence[Run], only: Only) -> BenchError:
    """Why no row fits: what these runs have instead."""
    cells = [record.cell for run in runs for record in run.records if record.status == "done"]
    if not cells:
        return BenchError("these runs have no finished cell: run a suite first", code="no-records")
    wanted = " with ".join(" or ".join(names) for names in (only.tasks, only.backbones) if names)
    tasks, backbones = ({getattr(cell, name) for cell in cells} for name in ("task", "backbone"))
    return BenchError(
        f"these runs have no finished cell of {wanted}; tasks: {', '.join(sorted(tasks))}; "
        f"backbones: {', '.join(sorted(backbones))}",
        code="no-records",
    )


def _rows(
    suite: str, groups: Mapping[Key, Group], run: Run
) -> tuple[list[tuple[float, Row]], tuple[Column, ...], list[str]]:
    """The rows of these groups of a suite, each with its trainable share, their columns, and notes on their
    marks. Intervals are those of the suite's own table, which estimates noise from all its cells."""
    predictions = run.predictions if len(run.records) <= MANY else None
    table = scores(run.records, predictions, TableOptions(columns=(HEADLINE, *MEASURES)))
    found = []
    for block in table.blocks:
        for row in block.rows:
            group = groups.get(Key(block.title, *row.labels))
            if group:
                size, seeds = max(map(train_rows, group.done)), _seeds(group)
                entries = (Entry(float(size)), *(replace(entry, mark="") for entry in row.entries), seeds)
                labels = (group.key.strategy, suite, group.key.task, group.key.backbone)
                found.append((group.trainable() or 0.0, Row(labels, entries)))
    score = replace(table.columns[0], heading="score")
    train, seeds = Column("train", "training rows", "count"), Column("seeds", "seeds", "count")
    odd = any(entry.bounds or entry.points for _, row in found for entry in row.entries)
    marks = [note for note in table.notes if note in (EXACT, WIDE, POINTS)] if odd else []
    if any(own.spread is not None and not own.bounds for own in (row.entries[1] for _, row in found)):
        of_seeds = STANDARD_DEVIATION in table.notes
        marks.append(f"Suite {suite}: {STANDARD_DEVIATION}" if of_seeds else INTERVALS)
    return found, (train, score, *table.columns[1:], seeds), marks


def _seeds(group: Group) -> Entry:
    """The finished seeds, out of how many where some failed: suites give strategies different numbers."""
    done, every = len(group.done), len(group.records)
    return Entry(float(done), note="" if done == every else f"{done}/{every}")


def _absent(columns: Sequence[Column]) -> tuple[Entry, ...]:
    return tuple(Entry(note=NOT_MEASURED if column.name == HEADLINE else "") for column in columns)


def _without_constants(
    measured: list[Row], absent: list[Row], columns: tuple[Column, ...], notes: tuple[str, ...]
) -> Table:
    """The table without the labels that all measured rows share, which its caption says, and without the columns
    that no row fills."""
    same = {
        place: measured[0].labels[place]
        for place in (2, 3)
        if len({row.labels[place] for row in measured}) == 1
    }
    shown = [place for place in range(len(HEADINGS)) if place not in same]
    filled = [
        place
        for place in range(len(columns))
        if any(row.entries[place].value is not None for row in measured)
    ]
    rows = tuple(
        Row(tuple(row.labels[place] for place in shown), tuple(row.entries[place] for place in filled))
        for row in (*measured, *absent)
    )
    where = f" on {' with '.join(same.values())}" if same else ""
    return Table(
        f"What was measured of each strategy{where}",
        tuple(HEADINGS[place] for place in shown),
        tuple(columns[place] for place in filled),
        (Block("", rows),),
        (*RULES, *notes),
    )
