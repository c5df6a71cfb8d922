"""Learning curves over data size: scores against the number of training examples.

Each training set is a subset of the next larger one. `crossovers` says where strategies cross.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.analysis.crossovers import Line, Lines, crossovers, sentences, verdicts_on
from bench.analysis.groups import Group, Key, check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.uncertainty import from_predictions, from_seeds
from bench.analysis.tables.columns import Context, score, score_unit
from bench.analysis.tables.footnotes import accuracies, mixtures, provenance, warnings
from bench.analysis.tables.layouts import marked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.record import Record


def sized(records: Sequence[Record]) -> dict[str, dict[Line, dict[int, Group]]]:
    """The finished groups of tasks that ran at several sizes, by task, line, and number of training examples in
    ascending order."""
    found: dict[str, dict[Line, dict[int, Group]]] = {}
    for key, group in gather(records).items():
        task, at, _ = key.task.partition("@")
        data = group.done[0].data if group.done else None
        if at and data:
            line = found.setdefault(task, {}).setdefault((key.strategy, key.backbone), {})
            line[data.sizes["train"]] = group
    return {
        task: {line: dict(sorted(points.items())) for line, points in lines.items()}
        for task, lines in found.items()
    }


def build(
    records: Sequence[Record], predictions: Callable[[str], Predictions] | None = None, metric: str = ""
) -> Table:
    """One block per task, one column per size; the notes say where strategies cross. BenchError where no task ran
    at two sizes."""
    tasks = {task: lines for task, lines in sized(records).items() if any(len(p) > 1 for p in lines.values())}
    if not tasks:
        raise BenchError(
            "no task of this run has several sizes: run the suite curve, or -t TASK@100 -t TASK@200",
            code="no-sizes",
        )
    groups = {
        group.key: group for lines in tasks.values() for points in lines.values() for group in points.values()
    }
    check_metric(metric, groups.values())
    metrics = {key: (metric or group.headline,) for key, group in groups.items()}
    spread = from_predictions(groups, metrics, predictions) if predictions else from_seeds(groups, metrics)
    context = Context({}, spread, "")
    sizes = sorted({size for lines in tasks.values() for points in lines.values() for size in points})
    unit = score_unit(groups.values(), metric)
    columns = tuple(Column(str(size), f"{size:,}", unit, "training examples") for size in sizes)
    table = verdicts_on(tasks, spread.resampled, Source(predictions)) if predictions else None
    blocks, crossings = [], []
    for task, lines in tasks.items():
        rows = [
            Row(line, tuple(_entry(points, size, metric, context) for size in sizes))
            for line, points in lines.items()
        ]
        blocks.append(marked(Block(task, tuple(rows)), columns))
        if table:
            crossings += sentences(task, crossovers(lines, table))
    notes = (*spread.notes, *crossings, *_accuracies(tasks, metrics), *mixtures(groups), *warnings(groups))
    return Table(
        "Scores against the number of training examples",
        ("strategy", "backbone"),
        columns,
        tuple(blocks),
        notes,
        "task",
        tuple(_without_sizes(groups)),
    )


def _entry(points: Mapping[int, Group], size: int, metric: str, context: Context) -> Entry:
    group = points.get(size)
    return score(group, metric or group.headline, context) if group else Entry()


def _accuracies(tasks: Mapping[str, Lines], metrics: Mapping[Key, tuple[str, ...]]) -> list[str]:
    """What `accuracy` is, by the names of tasks without their sizes."""
    first = {
        Key(task, *line): next(iter(points.values()))
        for task, lines in tasks.items()
        for line, points in lines.items()
    }
    return accuracies(first, {key: metrics[group.key] for key, group in first.items()})


def _without_sizes(groups: Mapping[Key, Group]) -> list[str]:
    """The provenance of one group per task and line: the others differ only in their training sizes."""
    first: dict[tuple[str, str, str], Key] = {}
    for key in groups:
        first.setdefault((key.task.partition("@")[0], key.strategy, key.backbone), key)
    notes = provenance({key: groups[key] for key in first.values()})
    return [note for note in notes if not note.startswith("Examples:")]
