"""The smallest drop that `compare` finds in each cell of a run, against a run of the same code with other seeds.

It is the worst case. Where the same seeds repeat their predictions, as on one machine, every change shows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.regression.compare import CompareOptions, compare
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.record import Record

COLUMNS = (
    Column("seeds", "seeds", "count"),
    Column("score", "score", "percent"),
    Column("deviation", "deviation over seeds", "percent"),
    Column("detectable", "detectable drop", "percent"),
    Column("seconds", "seconds of all seeds", "seconds"),
)


@dataclass(frozen=True)
class Reach:
    """Of a cell, or of a strategy over its tasks: the smallest drop that is found. score, deviation, detectable: in
    units of the score. seconds: training and evaluation of all seeds, without what cells share."""

    key: Key
    seeds: int
    score: float
    deviation: float | None
    detectable: float
    seconds: float


def reach(run: Run, options: CompareOptions | None = None) -> tuple[tuple[Reach, ...], tuple[Reach, ...]]:
    """The strategies over their tasks, and the cells with at least two finished seeds; the largest drop first.

    BenchError where no cell has two: then nothing says how seeds differ."""
    groups = {key: group for key, group in gather(run.records).items() if len(group.done) > 1}
    if not groups:
        raise BenchError(
            f"{run.name} has no cell with two finished seeds: which drops show cannot be measured",
            code="too-few-seeds",
        )
    recorded = [record for group in groups.values() for record in group.done]
    same = Run(run.name, recorded, run.predictions)
    outcome = compare(same, with_other_seeds(same), options)
    cells = [_of_cell(groups[item.key], item.detectable) for item in outcome.cells if item.detectable]
    found = {item.key: item for item in cells}
    over = [
        _over_tasks(
            item.key, [cell for key, cell in found.items() if key[1:] == item.key[1:]], item.detectable
        )
        for item in outcome.strategies
        if item.detectable
    ]
    return _largest_first(over), _largest_first(cells)


def with_other_seeds(run: Run) -> Run:
    """The same records and predictions under seeds that the run does not have."""
    after = 1 + max(record.cell.seed for record in run.records)
    names: dict[str, str] = {}
    records: list[Record] = []
    for record in run.records:
        cell = dataclasses.replace(record.cell, seed=record.cell.seed + after)
        names[cell.id] = record.cell.id
        records.append(record.model_copy(update={"cell": cell}))
    return Run(run.name, records, lambda name: run.predictions(names[name]))


def table(name: str, over: Sequence[Reach], cells: Sequence[Reach]) -> Table:
    """Strategies over their tasks, then cells."""
    blocks = (Block("strategies, mean over their tasks", _rows(over)), Block("cells", _rows(cells)))
    notes = (
        "Detectable drop: the smallest that is found 90 times in 100 against a run with as many other seeds, with "
        "one error budget over all tests. With the same seeds on the same machine, every changed prediction shows.",
    )
    caption = f"The smallest drops that the gate finds ({name})"
    filled = tuple(block for block in blocks if block.rows)
    return Table(caption, ("task", "strategy", "backbone"), COLUMNS, filled, notes, "level")


def _of_cell(group: Group, detectable: float) -> Reach:
    scores = group.scores(group.headline)
    mean = sum(scores) / len(scores)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1))
    seconds = sum(record.seconds.train + record.seconds.evaluate for record in group.done)
    return Reach(group.key, len(scores), mean, deviation, detectable, seconds)


def _over_tasks(key: Key, cells: Sequence[Reach], detectable: float) -> Reach:
    mean = sum(cell.score for cell in cells) / len(cells)
    seeds, seconds = sum(cell.seeds for cell in cells), sum(cell.seconds for cell in cells)
    return Reach(key, seeds, mean, None, detectable, seconds)


def _largest_first(found: Sequence[Reach]) -> tuple[Reach, ...]:
    return tuple(sorted(found, key=lambda item: (-item.detectable, item.key)))


def _rows(found: Sequence[Reach]) -> tuple[Row, ...]:
    return tuple(
        Row(
            tuple(item.key),
            (
                Entry(item.seeds),
                Entry(item.score),
                Entry(item.deviation),
                Entry(item.detectable),
                Entry(item.seconds),
            ),
        )
        for item in found
    )
