"""Scores by class or entity type, and confusions, from the `reference` and `prediction` columns of every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from bench.analysis.derived import LABELLED
from bench.analysis.entities import types
from bench.analysis.groups import Group, Key
from bench.analysis.loading import Columns
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.unequal import documents
from bench.analysis.tables import classes as tables
from bench.analysis.tables.classes import MATRIX, ScoredClass
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.report.reading import Reading

MOST = 20  # classes of the comparison of strategies
SHOWN = 60  # classes of the scores of one strategy
WORST = 15  # confusions that are listed where there are too many classes for a matrix


@dataclass(frozen=True)
class Confused:
    """Examples of one class that are predicted as another, summed over seeds; share: of the class's examples."""

    reference: str
    prediction: str
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """The confusions of a strategy, summed over seeds. counts[i][j]: reference i, prediction j. With more than
    MATRIX classes there is no matrix: worst has the most frequent confusions, others counts the remaining ones."""

    key: Key
    label: str
    classes: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    worst: tuple[Confused, ...] = ()
    others: int = 0

    def share(self, row: int, column: int) -> float:
        """The share of the references of class `row` that were predicted as class `column`."""
        total = sum(self.counts[row])
        return self.counts[row][column] / total if total else 0.0


@dataclass(frozen=True)
class ByClass:
    """The classes of a task. compared: F1 of every strategy. details: precision, recall and F1, a block a strategy;
    of many classes those of the best strategy alone."""

    compared: Table
    details: Table


def by_class(reading: Reading, task: str) -> ByClass | None:
    """The scores of a task by class, with intervals; None where it has no classes."""
    source = Source(reading.run.predictions)
    names = tables.classes_of(reading.examined(task), source)
    if not names:
        return None
    groups = {key: reading.groups[key] for key in names}
    found = tables.scored(groups, source, names)
    kind, unit = (
        ("entity type", "entities") if _is_tagged(next(iter(groups.values()))) else ("class", "examples")
    )
    counts = documents(groups.values(), source)
    return ByClass(
        _compared(reading, found, (kind, unit), counts), _details(reading, found, (kind, unit), counts)
    )


def confusions(reading: Reading, task: str) -> list[Confusion]:
    """The confusions of every strategy, in the order of the tables."""
    found = []
    for group in reading.examined(task):
        if group.done[0].adapter not in (*LABELLED, "ner"):
            continue  # a set of labels is not taken for another one
        pairs: Counter[tuple[str, str]] = Counter()
        for record in group.done:
            rows = reading.columns(record)
            if rows is not None and {"reference", "prediction"} <= rows.keys():
                pairs.update(_paired(rows, _is_tagged(group)))
        if pairs:
            found.append(_confusion(group.key, reading.label(group.key), pairs))
    return found


def _compared(
    reading: Reading,
    found: dict[Key, list[ScoredClass]],
    words: tuple[str, str],
    counts: Mapping[str, int],
) -> Table:
    """A row a class, a column a strategy."""
    kind, unit = words
    first = next(iter(found.values()))
    f1 = {key: {item.name: item.scores[-1] for item in classes} for key, classes in found.items()}
    rows = tuple(
        Row((item.name,), (item.size, *(f1[key].get(item.name, Entry()) for key in found)))
        for item in first[:MOST]
    )
    blocks = (Block("", rows),)
    columns = [Column("/".join(key[1:]), reading.label(key), "score") for key in found]
    more = min(len(first), SHOWN) - len(rows)
    notes = tables.notes(blocks, {key: reading.groups[key] for key in found}, counts)
    if more:
        notes.append(f"Of {len(first)} classes, {more} with fewer examples are in the details alone.")
    return Table(f"F1 by {kind}", (kind,), (_size(unit), *columns), blocks, tuple(notes))


def _details(
    reading: Reading,
    found: dict[Key, list[ScoredClass]],
    words: tuple[str, str],
    counts: Mapping[str, int],
) -> Table:
    kind, unit = words
    notes = []
    if max(map(len, found.values())) > MATRIX and len(found) > 1:
        best = max(found, key=lambda key: _headline(reading.groups[key]))
        found = {best: found[best]}
        notes.append(
            f"Of {reading.label(best)}, which has the best score; `table --kind classes` has every strategy."
        )
    most = max(map(len, found.values()))
    if most > SHOWN:
        notes.append(
            f"Of {most} classes, the {SHOWN} with the most examples; `table --kind classes` has all."
        )
    blocks = tuple(
        Block(
            reading.label(key),
            tuple(Row((item.name,), (item.size, *item.scores)) for item in classes[:SHOWN]),
        )
        for key, classes in found.items()
    )
    caption = f"Precision, recall and F1 by {kind}"
    columns = (_size(unit), *tables.SCORES[1:])
    notes += tables.notes(blocks, {key: reading.groups[key] for key in found}, counts)
    return Table(caption, (kind,), columns, blocks, tuple(notes))


def _size(unit: str) -> Column:
    return replace(tables.SCORES[0], heading=unit)


def _headline(group: Group) -> float:
    """The mean headline score of a group."""
    return float(np.mean(group.scores(group.headline) or [0.0]))


def _confusion(key: Key, label: str, pairs: Counter[tuple[str, str]]) -> Confusion:
    support: Counter[str] = Counter()
    for (reference, prediction), count in pairs.items():
        support[reference] += count
        support[prediction] += 0
    names = sorted(support, key=lambda name: (-support[name], name))
    if len(names) > MATRIX:
        return _listed(key, label, pairs, support)
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=int)
    for (reference, prediction), count in pairs.items():
        counts[place[reference], place[prediction]] += count
    return Confusion(key, label, tuple(names), tuple(tuple(map(int, row)) for row in counts))


def _listed(key: Key, label: str, pairs: Counter[tuple[str, str]], support: Counter[str]) -> Confusion:
    wrong = sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: (-pairs[pair], *pair))
    worst = tuple(Confused(*pair, pairs[pair], pairs[pair] / support[pair[0]]) for pair in wrong[:WORST])
    return Confusion(key, label, worst=worst, others=len(wrong) - len(worst))


def _is_tagged(group: Group) -> bool:
    return group.done[0].adapter == "ner"


def _paired(rows: Columns, tagged: bool) -> Counter[tuple[str, str]]:
    """The number of pairs of reference and prediction: labels, or the entity types of words."""
    pairs = Counter(zip(map(str, rows["reference"]), map(str, rows["prediction"]), strict=True))
    if not tagged:
        return pairs
    words: Counter[tuple[str, str]] = Counter()
    for (reference, prediction), count in pairs.items():
        for pair, times in _words(reference, prediction).items():
            words[pair] += times * count
    return words


@lru_cache(maxsize=20_000)
def _words(reference: str, prediction: str) -> Counter[tuple[str, str]]:
    """The pairs of the entity types of words. Most seeds tag most sentences alike, so each pair is parsed once."""
    return Counter(zip(types(reference), types(prediction), strict=True))
