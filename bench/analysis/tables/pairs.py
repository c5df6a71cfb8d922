"""The table of paired comparisons: every group against the best of its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bench.analysis.groups import Group, Key, check_metric, collapsed, gather, metric_heading
from bench.analysis.loading import Predictions
from bench.analysis.statistics import unequal
from bench.analysis.statistics.error_bars import ErrorBar, error_bar, of_differences
from bench.analysis.statistics.mcnemar import judge_pairs
from bench.analysis.statistics.paired import SURE, Comparison, with_best
from bench.analysis.statistics.resampling import Source, resample
from bench.analysis.statistics.scales import ERROR
from bench.analysis.statistics.uncertainty import alone_in, shown_means
from bench.analysis.statistics.uncertainty_notes import (
    ONE_SEED_TESTS,
    by_document,
    on_intervals,
    on_marks,
    on_one_seed,
)
from bench.analysis.tables.footnotes import mixtures
from bench.analysis.tables.model import Block, Column, Entry, Row, Table, Unit
from bench.analysis.tables.shown import shown
from bench.contracts import BenchError
from bench.runs.record import Record

ADJUSTED = (
    "p values are adjusted for all pairs of strategies in the table (Westfall and Young 1993; Holm, of exact tests "
    "alone and of pairs on few documents, which make the correction of the others stricter), because the best is "
    "chosen from the same data."
)
VERDICTS = (
    "Not told apart does not mean equal. On one seed McNemar's exact test decides where it applies. Cohen's h is "
    f"of shares alone. Detectable difference: the smallest that would be found with {SURE}% power."
)
UNITS: tuple[Unit, ...] = ("score", "error")
"""Of differences, in the order of their columns."""


def build(records: Sequence[Record], predictions: Callable[[str], Predictions], metric: str = "") -> Table:
    """Every group against the best of its task, by the task's headline or by `metric`, as a table.

    BenchError where there are no two groups of a task with predictions on the same examples and seeds."""
    groups, source = gather(records), Source(predictions)
    check_metric(metric, groups.values())
    metrics = {key: (metric or group.headline,) for key, group in groups.items()}
    scores = {
        (key, name): found
        for key, group in groups.items()
        for name in metrics[key]
        if (found := resample(group, name, source)) is not None
    }
    tried = with_best(scores)
    compared = judge_pairs(scores, tried, groups, source)
    if not compared:
        raise BenchError(
            "there are no two strategies with predictions on the same task, seeds and examples",
            code="nothing-to-compare",
        )
    alone = alone_in(scores, groups, source)
    means = shown_means({key: group for key, group in groups.items() if key.task not in alone}, metrics)
    more = (
        *mixtures(groups),
        *unequal.left_out(scores, tried, compared, means),
        *unequal.on_one_document(alone),
    )
    made = table(compared, groups)
    return replace(made, notes=(*made.notes, *more))


def table(comparisons: Sequence[Comparison], groups: Mapping[Key, Group] = MappingProxyType({})) -> Table:
    """The comparisons as a table, a block a task. groups: those that are compared, as far as they are known."""
    units: list[Unit] = [unit for unit in UNITS if unit in {_unit(item) for item in comparisons}]
    bars = [_bar(item, groups) for item in comparisons]
    blocks: dict[str, list[Row]] = {}
    for item, bar in zip(comparisons, bars, strict=True):
        entries = (
            Entry(item.metric, label=_heading(item, groups)),
            *(shown(item.difference.mean, bar) if unit == _unit(item) else Entry() for unit in units),
            Entry(item.effect),
            Entry(item.adjusted),
            *(Entry(item.detectable) if unit == _unit(item) else Entry() for unit in units),
            Entry(item.mcnemar),
            Entry(_verdict(item)),
        )
        labels = tuple(f"{key.strategy} {key.backbone}" for key in (item.first, item.second))
        blocks.setdefault(item.first.task, []).append(Row(labels, entries))
    return Table(
        "Paired comparisons on the same seeds and test examples",
        ("first", "second"),
        _columns(units),
        tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        tuple(_notes(comparisons, bars, groups)),
        "task",
    )


def _unit(item: Comparison) -> Unit:
    return "error" if item.scale == ERROR else "score"


def _columns(units: Sequence[Unit]) -> tuple[Column, ...]:
    """The columns of a table with differences in these units. Scores and errors of one table have columns of their
    own, because errors are in units of the labels."""
    names: dict[Unit, tuple[str, str]] = {
        unit: ("error-", " (error)") if unit == "error" and len(units) > 1 else ("", "") for unit in units
    }
    detectable: dict[Unit, Unit] = {"score": "percent", "error": "error"}
    return (
        Column("metric", "metric", "text"),
        *(Column(f"{name}difference", f"difference{of}", unit) for unit, (name, of) in names.items()),
        Column("effect", "Cohen's h", "effect"),
        Column("p", "p (adjusted)", "p"),
        *(
            Column(f"{name}detectable", f"detectable difference{of}", detectable[unit])
            for unit, (name, of) in names.items()
        ),
        Column("mcnemar", "McNemar", "p"),
        Column("verdict", "verdict", "text"),
    )


def _heading(item: Comparison, groups: Mapping[Key, Group]) -> str:
    """What people call its metric, where that is not its name."""
    heading = metric_heading(item.metric, [groups[item.first]] if item.first in groups else [])
    return "" if heading == item.metric else heading


def _verdict(item: Comparison) -> str:
    if item.tied:
        return "not told apart"
    return "first is better" if item.first_leads else "second is better"


def _bar(item: Comparison, groups: Mapping[Key, Group]) -> ErrorBar:
    """What is shown around a difference: where some seeds of one side learned nothing, that of every shared
    seed."""
    sides = [groups[key] for key in (item.first, item.second) if key in groups]
    points: list[float] = []
    if len(sides) == 2 and any(map(collapsed, sides)):
        first, second = (_by_seed(group, item.metric) for group in sides)
        points = [score - second[seed] for seed, score in first.items() if seed in second]
    return error_bar(item.difference, of_differences(item.scale), points)


def _by_seed(group: Group, metric: str) -> dict[int, float]:
    found = {record.cell.seed: record.scores.get("test", {}).get(metric) for record in group.done}
    return {seed: score for seed, score in found.items() if score is not None}


def _notes(
    comparisons: Sequence[Comparison], bars: Sequence[ErrorBar], groups: Mapping[Key, Group]
) -> list[str]:
    single = any(bar.seeds == 1 for bar in bars)
    return [
        *on_intervals(bars, groups),
        *on_one_seed({"": bars}, "a difference"),
        *on_marks(bars),
        ADJUSTED,
        f"{VERDICTS} {ONE_SEED_TESTS.format(of='On one seed')}" if single else VERDICTS,
        *by_document({item.first.task: item.clusters for item in comparisons}),
    ]
