"""The table of paired comparisons: every group against the best of its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.groups import check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.statistics.paired import SURE, Comparison, judge_pairs, with_best
from bench.analysis.statistics.resampling import Source, resample
from bench.analysis.tables.columns import score_unit
from bench.analysis.tables.model import Block, Column, Entry, Row, Table, Unit
from bench.contracts import BenchError
from bench.runs.record import Record


def build(records: Sequence[Record], predictions: Callable[[str], Predictions], metric: str = "") -> Table:
    """Every group against the best of its task, by the task's headline or by `metric`, as a table.

    BenchError where there are no two groups of a task with predictions on the same examples and seeds."""
    groups, source = gather(records), Source(predictions)
    check_metric(metric, groups.values())
    scores = {
        (key, name): found
        for key, group in groups.items()
        if (found := resample(group, name := metric or group.headline, source)) is not None
    }
    compared = judge_pairs(scores, with_best(scores), groups, source)
    if not compared:
        raise BenchError(
            "there are no two strategies with predictions on the same task, seeds and examples",
            code="nothing-to-compare",
        )
    unit = score_unit([groups[compared[0].first]], compared[0].metric)
    return table(compared, unit)


def table(comparisons: Sequence[Comparison], unit: Unit = "score") -> Table:
    """The comparisons as a table, a block a task; unit: of the metric."""
    columns = (
        Column("metric", "metric", "text"),
        Column("difference", "difference", unit),
        Column("effect", "Cohen's h", "effect"),
        Column("p", "p (adjusted)", "p"),
        Column("detectable", "detectable difference", "percent" if unit == "score" else unit),
        Column("mcnemar", "McNemar", "p"),
        Column("verdict", "verdict", "text"),
    )
    blocks: dict[str, list[Row]] = {}
    for item in comparisons:
        entries = (
            Entry(item.metric),
            Entry(item.difference.mean, item.difference.half),
            Entry(item.effect),
            Entry(item.adjusted),
            Entry(item.detectable),
            Entry(item.mcnemar),
            Entry(
                "not told apart"
                if item.tied
                else "first is better"
                if item.first_leads
                else "second is better"
            ),
        )
        labels = tuple(f"{key.strategy} {key.backbone}" for key in (item.first, item.second))
        blocks.setdefault(item.first.task, []).append(Row(labels, entries))
    return Table(
        "Paired comparisons on the same seeds and test examples",
        ("first", "second"),
        columns,
        tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        (
            "± is half of a 95% interval of the difference. p values are adjusted for all pairs of strategies in "
            "the table (Westfall and Young 1993; Holm, of exact tests alone), because the best is chosen from the "
            "same data.",
            "Not told apart does not mean equal. On one seed McNemar's exact test decides where it applies. "
            "Cohen's h is of shares alone. Detectable difference: the smallest that would be found "
            f"with {SURE}% power.",
        ),
        "task",
    )
