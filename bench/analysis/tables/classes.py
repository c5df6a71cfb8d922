"""The table of classes: precision, recall and F1 of each, and what it is taken for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.analysis.derived import LABELLED
from bench.analysis.groups import Group, gather
from bench.analysis.loading import Predictions, columns
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.uncertainty import Shown, from_predictions
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError, Metric, MetricKind
from bench.runs.record import Record

KINDS: dict[str, MetricKind] = {"precision": "class_precision", "recall": "class_recall", "F1": "class_f1"}
MOST = 30  # classes of a task, by test examples
MATRIX = 12  # classes of a confusion matrix


def build(records: Sequence[Record], predictions: Callable[[str], Predictions]) -> Table:
    """A block a task, strategy and backbone, a row a class: its test examples, precision, recall and F1 with 95%
    intervals, then its row of the confusion matrix, in percent of its examples, mean over seeds; where the run has
    several tasks, the class that it is most often taken for. BenchError where no task has one label a text."""
    groups = {key: group for key, group in gather(records).items() if _is_labelled(group)}
    if not groups:
        raise BenchError(
            "no finished cell has texts with one label: precision and recall by class are for classification",
            code="no-classes",
        )
    labels = {key: _labels(group, predictions) for key, group in groups.items()}
    matrix = list(dict.fromkeys(label for names in labels.values() for label in names))
    matrix = matrix if len({key.task for key in groups}) == 1 and len(matrix) <= MATRIX else []
    shown = {key: _with_metrics(group, labels[key], predictions) for key, group in groups.items()}
    metrics = {key: [f"{name} {label}" for label in labels[key] for name in KINDS] for key in groups}
    known = from_predictions(shown, metrics, predictions)
    blocks = []
    for key, group in shown.items():
        confusion = _confusion(group, predictions)
        rows = []
        for label in labels[key]:
            scores = [
                Entry(
                    float(np.mean(group.scores(name := f"{kind} {label}"))),
                    known.spread.get(Shown(key, name)),
                    bounds=known.bounds.get(Shown(key, name)),
                )
                for kind in KINDS
            ]
            taken = {other: share for (own, other), share in confusion.items() if own == label}
            size = Entry(float(_support(group, predictions, label)))
            rows.append(Row((label,), (size, *scores, *_taken_for(label, taken, matrix))))
        blocks.append(Block(str(key), tuple(rows)))
    confused = [Column(f"as {name}", f"as {name}", "percent") for name in matrix]
    return Table(
        "Precision, recall and F1 by class",
        ("class",),
        (
            Column("support", "examples", "count"),
            *(Column(name, name, "score") for name in KINDS),
            *(confused or [Column("taken for", "most taken for", "text")]),
        ),
        tuple(blocks),
        (
            *known.notes[:1],
            "As: the share of the class's examples that are predicted so, in percent, mean over seeds."
            if confused
            else "Most taken for: the other class that most of its examples are predicted as, and their share.",
        ),
        "task",
    )


def _is_labelled(group: Group) -> bool:
    return bool(group.done) and group.done[0].adapter in LABELLED


def _labels(group: Group, predictions: Callable[[str], Predictions]) -> list[str]:
    """The classes of the test examples, those with most examples first."""
    names, counts = np.unique(_rows(group.done[0], predictions)["reference"].astype(str), return_counts=True)
    order = np.lexsort((names, -counts))
    return [str(names[place]) for place in order[:MOST]]


def _rows(record: Record, predictions: Callable[[str], Predictions]) -> dict[str, np.ndarray]:
    return columns(predictions(record.cell.id))


def _support(group: Group, predictions: Callable[[str], Predictions], label: str) -> int:
    return int((_rows(group.done[0], predictions)["reference"] == label).sum())


def _with_metrics(group: Group, labels: Sequence[str], predictions: Callable[[str], Predictions]) -> Group:
    """The group with three metrics of each class, so that they get the intervals of any other."""
    metrics = tuple(
        Metric(f"{name} {label}", kind, (label,)) for label in labels for name, kind in KINDS.items()
    )
    records = []
    for record in group.done:
        rows = _rows(record, predictions)
        scores = {metric.name: ratios(metric, rows).score() for metric in metrics}
        records.append(record.model_copy(update={"metrics": metrics, "scores": {"test": scores}}))
    return replace(group, records=tuple(records))


def _confusion(group: Group, predictions: Callable[[str], Predictions]) -> dict[tuple[str, str], float]:
    """The share of each class's examples that is predicted as each class, mean over seeds."""
    found: dict[tuple[str, str], float] = {}
    for record in group.done:
        rows = _rows(record, predictions)
        for label in np.unique(rows["reference"].astype(str)):
            said, counts = np.unique(
                rows["prediction"][rows["reference"] == label].astype(str), return_counts=True
            )
            for other, count in zip(said, counts, strict=True):
                pair = str(label), str(other)
                found[pair] = found.get(pair, 0.0) + count / counts.sum() / len(group.done)
    return found


def _taken_for(label: str, taken: dict[str, float], matrix: Sequence[str]) -> list[Entry]:
    if matrix:
        return [Entry(float(taken.get(name, 0.0))) for name in matrix]
    others = {name: share for name, share in taken.items() if name != label}
    if not others:
        return [Entry("none")]
    most = max(others, key=lambda name: (others[name], name))
    return [Entry(f"{most} ({100 * others[most]:.0f}%)")]
