"""Scores by class or entity type, and confusions, from the `reference` and `prediction` columns of every cell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.loading import Columns
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.report.entities import spans, types
from bench.report.reading import Reading
from bench.runs.record import Record

MOST = 12  # classes of a confusion matrix
OTHERS = "all others"


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix, summed over seeds. counts[i][j]: reference i, prediction j."""

    key: Key
    label: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, row: int, column: int) -> float:
        """The share of the references of class `row` that were predicted as class `column`."""
        total = sum(self.counts[row])
        return self.counts[row][column] / total if total else 0.0


def has_classes(reading: Reading, task: str) -> bool:
    """Whether the task has labels or tags, and predictions with them."""
    return any(
        _pairs(reading, record) is not None for group in reading.of_task(task) for record in group.done
    )


def table(reading: Reading, task: str) -> Table | None:
    """F1 of every class or entity type, one column per strategy, means over seeds; None where there are none."""
    groups = [group for group in reading.of_task(task) if _complete(reading, group)]
    if not groups:
        return None
    counted = {group.key: [_counts(reading, record) for record in group.done] for group in groups}
    support: Counter[str] = Counter()
    for name, (_, _, gold) in counted[groups[0].key][0].items():
        support[name] = gold
    names = sorted(support, key=lambda name: (-support[name], name))
    columns = [Column("support", "examples" if not _is_tagged(groups[0]) else "entities", "count")]
    columns += [Column("/".join(group.key[1:]), reading.label(group.key), "percent") for group in groups]
    rows = []
    for name in names:
        f1 = [Entry(float(np.mean([_f1(c.get(name, (0, 0, 0))) for c in counted[g.key]]))) for g in groups]
        rows.append(Row((name,), (Entry(float(support[name])), *f1)))
    kind = "entity type" if _is_tagged(groups[0]) else "class"
    note = "In percent, means over seeds. A class with few test examples says little, so intervals are not shown."
    return Table(f"F1 by {kind}", (kind,), tuple(columns), (Block("", tuple(rows)),), (note,))


def confusions(reading: Reading, task: str) -> list[Confusion]:
    """One matrix per strategy, in the order of the tables; rare classes are merged."""
    found = []
    for group in reading.of_task(task):
        if group.done and group.done[0].adapter == "multilabel":
            continue  # a set of labels is not taken for another one
        pairs: Counter[tuple[str, str]] = Counter()
        for record in group.done:
            rows = _pairs(reading, record)
            if rows is not None:
                pairs.update(_paired(rows, _is_tagged(group)))
        if pairs:
            found.append(_confusion(group.key, reading.label(group.key), pairs))
    return found


def _confusion(key: Key, label: str, pairs: Counter[tuple[str, str]]) -> Confusion:
    support: Counter[str] = Counter()
    for (reference, prediction), count in pairs.items():
        support[reference] += count
        support[prediction] += 0
    names = sorted(support, key=lambda name: (-support[name], name))
    kept = names if len(names) <= MOST else [*names[: MOST - 1], OTHERS]
    place = {name: min(number, len(kept) - 1) for number, name in enumerate(names)}
    counts = np.zeros((len(kept), len(kept)), dtype=int)
    for (reference, prediction), count in pairs.items():
        counts[place[reference], place[prediction]] += count
    return Confusion(key, label, tuple(kept), tuple(tuple(map(int, row)) for row in counts))


def _is_tagged(group: Group) -> bool:
    return group.done[0].adapter == "ner"


def _complete(reading: Reading, group: Group) -> bool:
    return all(_pairs(reading, record) is not None for record in group.done)


def _pairs(reading: Reading, record: Record) -> Columns | None:
    """The rows of a task with classes; None for another task, or where predictions lack texts."""
    labelled = record.adapter == "ner" or any(
        metric.kind in ("macro_f1", "class_f1", "sets_f1") for metric in record.metrics
    )
    rows = reading.columns(record) if labelled else None
    return rows if rows is not None and {"reference", "prediction"} <= rows.keys() else None


def _paired(rows: Columns, tagged: bool) -> Counter[tuple[str, str]]:
    """The number of pairs of reference and prediction: labels, or the entity types of words."""
    pairs = Counter(zip(map(str, rows["reference"]), map(str, rows["prediction"]), strict=True))
    if not tagged:
        return pairs
    words: Counter[tuple[str, str]] = Counter()
    for (reference, prediction), count in pairs.items():
        for pair in zip(types(reference), types(prediction), strict=True):
            words[pair] += count
    return words


def _counts(reading: Reading, record: Record) -> dict[str, tuple[int, int, int]]:
    """By class: the counts of correct, predicted and reference units."""
    rows = _pairs(reading, record)
    if rows is None:
        return {}
    found: dict[str, list[int]] = {}
    pairs = Counter(zip(map(str, rows["reference"]), map(str, rows["prediction"]), strict=True))
    for (reference, prediction), count in pairs.items():
        gold, said = _units(reference, record), _units(prediction, record)
        for place, units in enumerate((gold & said, said, gold)):
            for name, _, _ in units:
                found.setdefault(name, [0, 0, 0])[place] += count
    return {name: (right, said, gold) for name, (right, said, gold) in found.items()}


def _units(value: str, record: Record) -> frozenset[tuple[str, int, int]]:
    """The entities of a sentence, or the labels of a text."""
    if record.adapter == "multilabel":
        return frozenset((label, 0, 0) for label in json.loads(value))
    return spans(value) if record.adapter == "ner" else frozenset({(value, 0, 0)})


def _f1(counts: Sequence[int]) -> float:
    right, said, gold = counts
    return 2 * right / (said + gold) if said + gold else 0.0
