"""Shift tables: trained on the source, scored on the source's test set and on each target domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.columns import Context, score
from bench.analysis.footnotes import provenance
from bench.analysis.forms import marked
from bench.analysis.groups import Group, check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.model import Block, Column, Entry, Row, Table
from bench.analysis.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.contracts import BenchError
from bench.record import Record


def build(
    records: Sequence[Record], predictions: Callable[[str], Predictions] | None = None, metric: str = ""
) -> Table:
    """A block a source task, a column a test set; each score is the task's headline, or `metric`.

    BenchError where no task has a test set of another domain."""
    groups = {key: group for key, group in gather(records).items() if any(map(_domains, group.done))}
    if not groups:
        raise BenchError("no task of this run has test sets of other domains")
    check_metric(metric, groups.values())
    domains = list(
        dict.fromkeys(name for group in groups.values() for r in group.done for name in _domains(r))
    )
    metrics = {key: (metric or group.headline,) for key, group in groups.items()}
    columns = [Column("test", "source", "score")]
    columns += [Column(name, f"→ {name}", "score", "target") for name in domains]
    parts = {
        test: from_seeds(groups, metrics, test)
        if predictions is None
        else from_predictions(groups, metrics, predictions, test)
        for test in ("test", *domains)
    }
    blocks: dict[str, list[Row]] = {}
    for key, group in groups.items():
        entries = [_entry(group, metrics[key][0], test, parts[test]) for test in ("test", *domains)]
        blocks.setdefault(key.task, []).append(Row((key.strategy, key.backbone), tuple(entries)))
    return Table(
        "Trained on the source domain, scored on it and on others",
        ("strategy", "backbone"),
        tuple(columns),
        tuple(marked(Block(task, tuple(rows)), columns) for task, rows in blocks.items()),
        (*parts["test"].notes, *provenance(groups)),
        "task",
    )


def _domains(record: Record) -> list[str]:
    return [test for test in record.scores if test != "test"]


def _entry(group: Group, metric: str, test: str, uncertainty: Uncertainty) -> Entry:
    return score(group, metric, Context({}, uncertainty, ""), test)
