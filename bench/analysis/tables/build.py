"""The table of scores: rows are strategies and backbones; tasks are blocks or groups of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.analysis.derived import with_derived
from bench.analysis.groups import Group, Key, check_metric, gather
from bench.analysis.loading import Predictions, Run
from bench.analysis.statistics.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.analysis.tables import default_rates
from bench.analysis.tables.columns import HEADLINE, MEASURES, OVERALL, Context, checked
from bench.analysis.tables.footnotes import (
    SECONDS,
    accuracies,
    caveats,
    mixtures,
    provenance,
    rules,
    unmeasured,
    warnings,
)
from bench.analysis.tables.layouts import across_tasks, by_task, marked
from bench.analysis.tables.model import Table
from bench.contracts import BenchError
from bench.runs.record import Record

RATIO = ", ± half of a 95% interval where the larger part of both times was measured again"
OVER_TASKS = (
    "; the geometric mean over tasks, ± half of a 95% interval. Once: the larger part of a time was measured "
    "once on some task, which is no evidence that one strategy is faster"
)
BY_TASK = ("task", "strategy", "backbone")
ACROSS_TASKS = ("strategy", "backbone")
DEFAULT_COLUMNS = {
    BY_TASK: ("accuracy", "f1", "seconds", "relative", "trainable", "memory", "seeds"),
    ACROSS_TASKS: (HEADLINE, "average", "rank", "of-full", "of-full-corrected", "relative", "trainable"),
}


@dataclass(frozen=True)
class TableOptions:
    """What the table shows.

    rows: BY_TASK, one block per task; or ACROSS_TASKS, the layout of papers, with columns grouped by task.
    columns: names of metrics and measures (bench.analysis.tables.columns); empty: the default of this layout.
    metric: shown and ranked by in place of each task's headline metric.
    at_default: the run at default rates that the column `default-rates` reads.
    planned: the ids of all cells that the run is to have, which the column `seeds` reads; empty: not known.
    """

    rows: tuple[str, ...] = BY_TASK
    columns: tuple[str, ...] = ()
    metric: str = ""
    caption: str = ""
    reference: str = "full"
    at_default: Run | None = None
    planned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rows not in DEFAULT_COLUMNS:
            valid = " or ".join(",".join(names) for names in DEFAULT_COLUMNS)
            raise BenchError(
                f"cannot make rows of {','.join(self.rows)} (rows: {valid})", code="unknown-rows"
            )


def build(
    records: Sequence[Record],
    predictions: Callable[[str], Predictions] | None = None,
    options: TableOptions = TableOptions(),
) -> Table:
    """The table of a run. With `predictions` (by cell id) scores carry half of a 95% interval over seeds and
    test examples; without, the standard deviation over seeds. BenchError names an unknown column."""
    return with_uncertainty(records, predictions, options)[0]


def with_uncertainty(
    records: Sequence[Record],
    predictions: Callable[[str], Predictions] | None = None,
    options: TableOptions = TableOptions(),
) -> tuple[Table, Uncertainty]:
    """The table of a run as `build` makes it, and what its intervals and ties rest on."""
    other = options.at_default
    if predictions is not None:
        wanted = (*options.columns, options.metric)
        records, predictions = with_derived(records, predictions, wanted)
        other = other and _derived(other, wanted)
    groups = gather(records)
    if not groups:
        raise BenchError("there are no records to tabulate: run the suite first", code="no-records")
    if options.metric:
        check_metric(options.metric, groups.values())
        groups = {key: default_rates.ranked_by(group, options.metric) for key, group in groups.items()}
    names = checked(options.columns or _default_columns(options, groups.values()), groups.values())
    shown = _metrics(names, groups)
    uncertainty = (
        from_seeds(groups, shown) if predictions is None else from_predictions(groups, shown, predictions)
    )
    at_default = None if other is None else default_rates.matched(other, groups, predictions is not None)
    planned = Counter(cell.rpartition("/")[0] for cell in options.planned)
    context = Context(groups, uncertainty, options.reference, at_default, planned)
    form = by_task if options.rows == BY_TASK else across_tasks
    columns, blocks = form(names, context)
    table = Table(
        caption=options.caption or title(records),
        headings=ACROSS_TASKS,
        columns=tuple(columns),
        blocks=tuple(marked(block, columns) for block in blocks),
        notes=(
            *uncertainty.notes,
            *accuracies(groups, shown),
            *rules(groups),
            *unmeasured(names, groups),
            *mixtures(groups),
            *warnings(groups),
            *(at_default.warnings if at_default else ()),
            *caveats(groups),
        ),
        details=(SECONDS, *_reading(names, context, options.rows), *provenance(groups)),
        title="task" if options.rows == BY_TASK else "",
    )
    return table, uncertainty


def _derived(run: Run, names: Sequence[str]) -> Run:
    records, predictions = with_derived(run.records, run.predictions, names)
    return replace(run, records=records, predictions=predictions)


def _default_columns(options: TableOptions, groups: Iterable[Group]) -> tuple[str, ...]:
    """The layout's own; of tasks that have none of its metrics all of theirs."""
    names = DEFAULT_COLUMNS[options.rows]
    if options.rows != BY_TASK:
        return names
    measures = tuple(name for name in names if name in MEASURES)
    if options.metric:
        return (options.metric, *measures)
    usual = [name for name in names if name not in MEASURES]
    found = [[metric.name for metric in record.metrics] for group in groups for record in group.done]
    others = dict.fromkeys(name for own in found if not set(own) & set(usual) for name in own)
    if not others:
        return names
    mixed = any(set(own) & set(usual) for own in found)
    return (*(usual if mixed else ()), *others, *measures)


def title(records: Sequence[Record]) -> str:
    """What was run: a suite or, where a suite has the name of its one task, a user's data."""
    suites = list(dict.fromkeys(record.cell.suite for record in records))
    tasks = list(dict.fromkeys(record.cell.task.partition("@")[0] for record in records))
    where = f"your data, {suites[0]}" if suites == tasks else f"suite {', '.join(suites)}"
    return f"Transfer strategies on {where}"


def _metrics(names: Sequence[str], groups: Mapping[Key, Group]) -> dict[Key, tuple[str, ...]]:
    """The metrics that the columns show of each group."""
    shown = [name for name in names if name not in MEASURES and name not in (*OVERALL, HEADLINE)]
    headline = any(name in (*OVERALL, HEADLINE) for name in names)
    return {
        key: tuple(dict.fromkeys([*shown, *([group.headline] if headline and group.headline else [])]))
        for key, group in groups.items()
    }


def _reading(names: Sequence[str], context: Context, rows: tuple[str, ...]) -> list[str]:
    """The meaning of the derived columns that are shown."""
    reference = context.reference
    meanings = {
        "relative": f"Time / {reference}: cold seconds over those of {reference} on the same task, backbone and "
        f"machine{RATIO if rows == BY_TASK else OVER_TASKS}.",
        "rank": "Rank: the mean over tasks of the rank by headline score; 1 is best.",
        "average": "Average: the unweighted mean of the headline scores; shown where every task has one.",
        "of-full-corrected": f"Above chance: (score - floor) / ({reference} - floor); the floor is "
        "the higher score of a uniform guess and of always predicting the majority label.",
        "trainable": "Trainable: the share of all parameters that learn in any phase, the head included.",
        "chosen": "Chosen: what cells chose by validation rows or gradients; where seeds differ, seed by seed.",
        "rate-scale": "Rates: what the strategy's default learning rates were multiplied by.",
    }
    if context.at_default:
        meanings[default_rates.COLUMN] = context.at_default.note
    return [meaning for name, meaning in meanings.items() if name in names]
