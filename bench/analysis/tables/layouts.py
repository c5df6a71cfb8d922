"""The two layouts of the table: one block per task, or, as in papers, columns grouped by task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, geometric_mean

import numpy as np

from bench.analysis.groups import Group, Key, scale
from bench.analysis.statistics.scales import ERROR
from bench.analysis.statistics.ties import equal, levels
from bench.analysis.tables import default_rates
from bench.analysis.tables.columns import HEADLINE, OVERALL, Context, column, entry
from bench.analysis.tables.model import ADAPTED, Block, Column, Entry, Row, Unit
from bench.contracts import BenchError

ONCE = ("trainable", "parameters")  # shown once a row, where tasks are groups of columns
UNTESTED = (*OVERALL, default_rates.COLUMN)  # the best of them is not marked
BEST: dict[Unit, Callable[[Sequence[float]], float]] = {"score": max, "error": min}
"""The best of a column, by its unit."""
MEANS = ("relative", "of-full", "of-full-corrected")  # shown as a mean over tasks there
MEASURED_ONCE = "once"
"""The note of a time that no second measurement supports."""


def by_task(names: Sequence[str], context: Context) -> tuple[list[Column], list[Block]]:
    """One block per task; each has a row for every strategy and backbone that any task has."""
    if unfit := [name for name in names if name in OVERALL]:
        raise BenchError(
            f"column '{unfit[0]}' covers all tasks: use --rows strategy,backbone",
            code="column-needs-all-tasks",
        )
    columns = [column(name, context.groups.values(), context.reference) for name in names]
    pairs = dict.fromkeys((key.strategy, key.backbone) for key in _strategies_first(context.groups))
    blocks = [
        Block(task, tuple(_row(Key(task, *pair), names, context) for pair in pairs))
        for task in dict.fromkeys(key.task for key in context.groups)
    ]
    return columns, blocks


def _row(key: Key, names: Sequence[str], context: Context) -> Row:
    """The row of a group, or a row that says `not run`."""
    group = context.groups.get(key)
    if group is None:
        entries = (Entry(note="not run"), *(Entry() for _ in names[1:]))
    else:
        entries = tuple(entry(name, group, context) for name in names)
    return Row((key.strategy, key.backbone), entries)


def across_tasks(names: Sequence[str], context: Context) -> tuple[list[Column], list[Block]]:
    """One block. Columns are grouped by task; averages and ranks over all tasks come last."""
    tasks = list(dict.fromkeys(key.task for key in context.groups))
    each = [name for name in names if name not in (*OVERALL, *ONCE, *MEANS)]
    overall = [name for name in names if name not in each]
    columns = [
        column(
            name,
            [group for group in context.groups.values() if group.key.task == task],
            context.reference,
            task,
        )
        for task in tasks
        for name in each
    ]
    columns += [_overall_column(name, context) for name in overall]
    pairs = dict.fromkeys((key.strategy, key.backbone) for key in _strategies_first(context.groups))
    ranks = _mean_ranks(context, tasks)
    rows = []
    for pair in pairs:
        members = [context.groups.get(Key(task, *pair)) for task in tasks]
        entries = [entry(name, group, context) if group else Entry() for group in members for name in each]
        entries += [_overall(name, members, context, ranks.get(pair)) for name in overall]
        rows.append(Row(pair, tuple(entries)))
    return columns, [Block("", tuple(rows))]


def _strategies_first(groups: Mapping[Key, Group]) -> list[Key]:
    """Keys ordered by backbone, then by the share of trainable parameters."""
    backbones = list(dict.fromkeys(key.backbone for key in groups))
    shares = {
        key: share if (share := group.trainable()) is not None else math.inf for key, group in groups.items()
    }
    return sorted(groups, key=lambda key: (backbones.index(key.backbone), shares[key], key.strategy))


def _overall_column(name: str, context: Context) -> Column:
    if name == "average":
        return Column(name, "average", "score", "all tasks")
    if name == "rank":
        return Column(name, "rank", "rank", "all tasks")
    return replace(column(name, context.groups.values(), context.reference), group="all tasks")


def _overall(name: str, members: Sequence[Group | None], context: Context, rank: float | None) -> Entry:
    """A row's value over all tasks: none where a task is missing, since a mean over fewer would mislead."""
    present = [group for group in members if group is not None]
    if name == "rank":
        return Entry(rank)
    if name == "average" and scale(present, "") == ERROR:
        return Entry()  # tasks have units of their own
    if name in ONCE:
        return next(
            (found for group in present if (found := entry(name, group, context)).value is not None), Entry()
        )
    found = [entry(HEADLINE if name == "average" else name, group, context) for group in present]
    values = [item.value for item in found if isinstance(item.value, float)]
    if len(values) < len(members):
        return Entry()
    if name == "relative":
        return _mean_time(present, found, context)
    spreads = [item.spread for item in found if item.spread is not None]
    half = (
        math.sqrt(sum(value**2 for value in spreads)) / len(members) if len(spreads) == len(members) else None
    )
    return Entry(fmean(values), half)


def _mean_time(groups: Sequence[Group], found: Sequence[Entry], context: Context) -> Entry:
    """The geometric mean over tasks of the times over those of the reference, with half of its interval. Where a
    task measured one of its two times once there is none, and a note instead."""
    mean = geometric_mean([item.value for item in found if isinstance(item.value, float)])
    adapted = [ADAPTED] if any(item.note == ADAPTED for item in found) else []
    pairs = [
        (group, other) for group in groups if (other := context.counterpart(group)) and other is not group
    ]
    halves = [half for pair in pairs if (half := context.time_half(*pair)) is not None]
    if len(halves) < len(pairs):
        return Entry(mean, note=" ".join([MEASURED_ONCE, *adapted]))
    spread = mean * math.expm1(math.hypot(*halves) / len(groups)) if halves else None
    return Entry(mean, spread, note=" ".join(adapted))


def _mean_ranks(context: Context, tasks: Sequence[str]) -> dict[tuple[str, str], float]:
    """The mean over tasks of a row's rank by headline score, among the rows that have every task (Demsar 2006, JMLR
    7). 1 is the highest score, or the lowest error; ties share the mean of their ranks."""
    places: dict[tuple[str, str], list[float]] = {}
    scored = Counter(key[1:] for key, group in context.groups.items() if group.scores(group.headline))
    whole = {pair for pair, count in scored.items() if count == len(tasks)}
    for task in tasks:
        better = scale([group for key, group in context.groups.items() if key.task == task], "").better
        means = {
            (key.strategy, key.backbone): better * fmean(values)
            for key, group in context.groups.items()
            if key.task == task and key[1:] in whole and (values := group.scores(group.headline))
        }
        heights = levels(np.array(list(means.values())))
        for pair, height in zip(means, heights, strict=True):
            above, ties = int((heights > height).sum()), int((heights == height).sum())
            places.setdefault(pair, []).append(above + (ties + 1) / 2)
    return {pair: fmean(ranks) for pair, ranks in places.items()}


def marked(block: Block, columns: Sequence[Column]) -> Block:
    """The block with the best entry of each score column marked; one alone is not the best of anything."""
    rows = [list(row.entries) for row in block.rows]
    for place, item in enumerate(columns):
        values = [row[place].value for row in rows]
        scores = [value for value in values if isinstance(value, float)]
        if item.unit not in BEST or len(scores) < 2 or item.name in UNTESTED:
            continue
        best = BEST[item.unit](scores)
        for row, value in zip(rows, values, strict=True):
            if isinstance(value, float) and equal(value, best):
                row[place] = replace(row[place], mark="best")
    return Block(
        block.title, tuple(Row(row.labels, tuple(new)) for row, new in zip(block.rows, rows, strict=True))
    )
