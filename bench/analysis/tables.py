"""From records to the table: rows are strategies and backbones, tasks are blocks or groups of columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from bench.analysis.columns import (
    HEADLINE,
    MEASURES,
    OVERALL,
    Context,
    Spread,
    checked,
    column,
    entry,
)
from bench.analysis.footnotes import SECONDS, provenance
from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Predictions
from bench.analysis.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.record import Record

BY_TASK = ("task", "strategy", "backbone")
ACROSS_TASKS = ("strategy", "backbone")
DEFAULT_COLUMNS = {
    BY_TASK: ("accuracy", "f1", "seconds", "relative", "trainable", "memory", "seeds"),
    ACROSS_TASKS: (HEADLINE, "relative", "average", "rank", "of-full", "of-full-corrected", "trainable"),
}
ONCE = ("trainable", "parameters")  # shown once a row, where tasks are groups of columns


@dataclass(frozen=True)
class TableOptions:
    """What the table shows.

    rows: BY_TASK, a block a task; or ACROSS_TASKS, the paper's form, with columns grouped by task.
    columns: names of metrics and measures (bench.analysis.columns); empty: the default of this form.
    metric: the metric shown and ranked by in place of each task's headline.
    """

    rows: tuple[str, ...] = BY_TASK
    columns: tuple[str, ...] = ()
    metric: str = ""
    caption: str = ""
    reference: str = "full"

    def __post_init__(self) -> None:
        if self.rows not in DEFAULT_COLUMNS:
            valid = " or ".join(",".join(names) for names in DEFAULT_COLUMNS)
            raise BenchError(f"cannot make rows of {','.join(self.rows)} (rows: {valid})")


def build(
    records: Sequence[Record],
    predictions: Callable[[str], Predictions] | None = None,
    options: TableOptions = TableOptions(),
) -> Table:
    """The table of a run. With `predictions` (by cell id) scores carry half of a 95% interval over seeds and
    test examples; without, the standard deviation over seeds. BenchError names an unknown column."""
    groups = gather(records)
    if not groups:
        raise BenchError("there are no records to tabulate: run the suite first")
    if options.metric:
        checked([options.metric], groups.values())
        groups = {key: _with_headline(group, options.metric) for key, group in groups.items()}
    spread, meaning = _spread(groups, predictions)
    context = Context(groups, spread, options.reference)
    names = checked(options.columns or _default_columns(options), groups.values())
    form = _blocks_by_task if options.rows == BY_TASK else _tasks_as_columns
    columns, blocks = form(names, context)
    return Table(
        caption=options.caption or _caption(records),
        headings=ACROSS_TASKS,
        columns=tuple(columns),
        blocks=tuple(_marked(block, columns, {}) for block in blocks),
        notes=(meaning, SECONDS, *_reading(names, options.reference), *provenance(groups)),
        title="task" if options.rows == BY_TASK else "",
    )


def _default_columns(options: TableOptions) -> tuple[str, ...]:
    names = DEFAULT_COLUMNS[options.rows]
    if options.metric and options.rows == BY_TASK:
        return (options.metric, *(name for name in names if name in MEASURES))
    return names


def _with_headline(group: Group, metric: str) -> Group:
    return Group(group.key, tuple(record.model_copy(update={"headline": metric}) for record in group.records))


def _caption(records: Sequence[Record]) -> str:
    suites = ", ".join(dict.fromkeys(record.cell.suite for record in records))
    return f"Transfer strategies on suite {suites}"


def _spread(
    groups: Mapping[Key, Group], predictions: Callable[[str], Predictions] | None
) -> tuple[Spread, str]:
    """The spread of a score, and the sentence that says what it is."""
    return standard_deviation, "± is the standard deviation over seeds."


def standard_deviation(group: Group, metric: str, test: str = "test") -> float | None:
    """Over seeds, with Bessel's correction; None below two seeds."""
    values = group.scores(metric, test)
    return stdev(values) if len(values) > 1 else None


def _blocks_by_task(names: Sequence[str], context: Context) -> tuple[list[Column], list[Block]]:
    if unfit := [name for name in names if name in OVERALL]:
        raise BenchError(f"column '{unfit[0]}' is over all tasks: ask for --rows {','.join(ACROSS_TASKS)}")
    columns = [column(name, context.groups.values(), context.reference) for name in names]
    pairs = dict.fromkeys((key.strategy, key.backbone) for key in _strategies_first(context.groups))
    blocks = [
        Block(task, tuple(_row(Key(task, *pair), names, context) for pair in pairs))
        for task in dict.fromkeys(key.task for key in context.groups)
    ]
    return columns, blocks


def _row(key: Key, names: Sequence[str], context: Context) -> Row:
    """The row of a group; where the task lacks what other tasks have, a row that says so."""
    group = context.groups.get(key)
    if group is None:
        entries = (Entry(note="not run"), *(Entry() for _ in names[1:]))
    else:
        entries = tuple(entry(name, group, context) for name in names)
    return Row((key.strategy, key.backbone), entries)


def _tasks_as_columns(names: Sequence[str], context: Context) -> tuple[list[Column], list[Block]]:
    tasks = list(dict.fromkeys(key.task for key in context.groups))
    each = [
        name for name in names if name not in OVERALL and name not in ONCE and not name.startswith("of-full")
    ]
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
    """Keys by backbone, then by the share of trainable parameters, whichever task names them first."""
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
    if name in ONCE:
        return next(
            (found for group in present if (found := entry(name, group, context)).value is not None), Entry()
        )
    found = [entry(HEADLINE if name == "average" else name, group, context) for group in present]
    values = [item.value for item in found if isinstance(item.value, float)]
    if len(values) < len(members):
        return Entry()
    spreads = [item.spread for item in found if item.spread is not None]
    half = (
        math.sqrt(sum(value**2 for value in spreads)) / len(members) if len(spreads) == len(members) else None
    )
    return Entry(fmean(values), half if name == "average" else None)


def _mean_ranks(context: Context, tasks: Sequence[str]) -> dict[tuple[str, str], float]:
    """The mean over tasks of a row's rank by headline score (1 is best; ties share the mean of their ranks),
    for the rows that have every task (Demsar 2006, JMLR 7)."""
    places: dict[tuple[str, str], list[float]] = {}
    for task in tasks:
        means = {
            (key.strategy, key.backbone): fmean(values)
            for key, group in context.groups.items()
            if key.task == task and (values := group.scores(group.headline))
        }
        for pair, mean in means.items():
            above = sum(other > mean for other in means.values())
            equal = sum(other == mean for other in means.values())
            places.setdefault(pair, []).append(above + (equal + 1) / 2)
    return {pair: fmean(ranks) for pair, ranks in places.items() if len(ranks) == len(tasks)}


def _marked(block: Block, columns: Sequence[Column], tied: Mapping[tuple[str, str], set[int]]) -> Block:
    """The block with the best score of each score column marked, and those tied with it."""
    rows = [list(row.entries) for row in block.rows]
    for place, item in enumerate(columns):
        if item.unit != "score":
            continue
        values = {number: row[place].value for number, row in enumerate(rows)}
        scores = {number: value for number, value in values.items() if isinstance(value, float)}
        if len(scores) < 2:
            continue
        best = max(scores.values())
        for number, value in scores.items():
            if value == best:
                rows[number][place] = replace(rows[number][place], mark="best")
    return Block(
        block.title, tuple(Row(row.labels, tuple(new)) for row, new in zip(block.rows, rows, strict=True))
    )


def _reading(names: Sequence[str], reference: str) -> list[str]:
    """What the derived columns mean, for those that are shown."""
    meanings = {
        "relative": f"Time / {reference}: cold seconds over those of {reference} with the same task and backbone, "
        "on the same machine.",
        "rank": "Rank: the mean over tasks of the rank by headline score; 1 is best.",
        "average": "Average: the unweighted mean of the headline scores, where every task has one.",
        "of-full-corrected": f"Above chance: (score - floor) / ({reference} - floor); the floor is "
        "the higher of a uniform guess and always the commonest label.",
        "trainable": "Trainable: the share of all parameters that learn in any phase, the head included.",
    }
    return [meaning for name, meaning in meanings.items() if name in names]
