"""The table of classes: precision, recall and F1 of each, and what it is taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.class_counts import COUNTED, KINDS, ClassCounts, class_names, count_classes
from bench.analysis.derived import LABELLED
from bench.analysis.groups import Group, Key, collapsed, gather
from bench.analysis.loading import Columns, Predictions
from bench.analysis.statistics.error_bars import error_bar
from bench.analysis.statistics.intervals import EXACT, MEANING, POINTS, WIDE, Interval, intervals
from bench.analysis.statistics.metrics import clustered, draw, exact_interval
from bench.analysis.statistics.resampling import Resampled, Source, documents_of, over_clusters, same_units
from bench.analysis.statistics.uncertainty_notes import NO_INTERVAL, TWO_SEEDS, by_document
from bench.analysis.statistics.unequal import documents, on_one_document
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.analysis.tables.shown import shown as entry_of
from bench.contracts import BenchError
from bench.runs.record import Record

MATRIX = 12  # classes of a confusion matrix
RARE = 10  # test examples below which a class is rare
IS_RARE = (
    f"Rare: a class with fewer than {RARE} test examples. One of them moves its recall by 10 points or more."
)


@dataclass(frozen=True)
class ScoredClass:
    """A class of a group: its test examples (or entities), and its scores, means over seeds with 95% intervals. A
    score without anything to count is empty."""

    name: str
    support: int
    scores: tuple[Entry, ...]  # as KINDS

    @property
    def size(self) -> Entry:
        """The support, marked where it is small."""
        note = f"{self.support:,} (rare)" if 0 < self.support < RARE else ""
        return Entry(float(self.support), note=note)


def build(records: Sequence[Record], predictions: Callable[[str], Predictions]) -> Table:
    """A block a task, strategy and backbone, a row a class: its test examples, precision, recall and F1 with 95%
    intervals, then its row of the confusion matrix, in percent of its examples, mean over seeds; where the run has
    several tasks, the class that it is most often taken for. BenchError where no task has classes."""
    groups, source = gather(records), Source(predictions)
    shown = classes_of(groups.values(), source)
    if not shown:
        raise BenchError(
            "no finished cell has classes: precision and recall by class are for labels of texts and for entities",
            code="no-classes",
        )
    groups = {key: groups[key] for key in shown}
    matrix = list(dict.fromkeys(label for names in shown.values() for label in names))
    single = len({key.task for key in groups}) == 1 and all(_is_labelled(group) for group in groups.values())
    matrix = matrix if single and len(matrix) <= MATRIX else []
    blocks = []
    for key, classes in scored(groups, source, shown).items():
        confusion = confused(groups[key], source) if _is_labelled(groups[key]) else {}
        rows = []
        for item in classes:
            taken = {other: share for (own, other), share in confusion.items() if own == item.name}
            rows.append(Row((item.name,), (item.size, *item.scores, *_taken_for(item.name, taken, matrix))))
        blocks.append(Block(str(key), tuple(rows)))
    confusions = [Column(f"as {name}", f"as {name}", "percent") for name in matrix]
    return Table(
        "Precision, recall and F1 by class",
        ("class",),
        (*SCORES, *(confusions or [Column("taken for", "most taken for", "text")])),
        tuple(blocks),
        (
            *notes(blocks, groups, documents(groups.values(), source)),
            "As: the share of the class's examples that are predicted so, in percent, mean over seeds."
            if confusions
            else "Most taken for: the other class that most of its examples are predicted as, and their share.",
        ),
        "task",
    )


SCORES = (Column("support", "examples", "count"), *(Column(name, name, "score") for name in KINDS))
"""The columns of a class: its size, and its scores."""


def notes(blocks: Sequence[Block], groups: Mapping[Key, Group], counts: Mapping[str, int]) -> list[str]:
    """What the marks of these rows mean, for those that they have, and what was resampled. counts: the documents of
    each task (`documents`)."""
    entries = [entry for block in blocks for row in block.rows for entry in row.entries]
    around = any(item.spread is not None and (item.bounds is None or item.cut) for item in entries)
    marks = {
        MEANING: around,
        TWO_SEEDS: around and any(len(group.done) == 2 for group in groups.values()),
        NO_INTERVAL: any(len(group.done) == 1 for group in groups.values()),
        EXACT: any(item.bounds and not item.cut for item in entries),
        WIDE: any(item.cut for item in entries),
        POINTS: any(item.points for item in entries),
        IS_RARE: any("rare" in item.note for item in entries),
    }
    return [
        *(note for note, is_there in marks.items() if is_there),
        *by_document({task: count for task, count in counts.items() if count > 1}),
        *on_one_document([task for task, count in counts.items() if count == 1]),
    ]


def classes_of(groups: Iterable[Group], source: Source) -> dict[Key, tuple[str, ...]]:
    """The classes of every group whose finished seeds all have predictions on the same examples, those with most
    test examples first; without the groups that have none."""
    found = {}
    for group in groups:
        tables = [source.columns(record) for record in group.done if record.adapter in COUNTED]
        whole = [rows for rows in tables if rows is not None and {"reference", "prediction"} <= rows.keys()]
        if whole and len(whole) == len(group.done) and same_units(whole):
            found[group.key] = class_names(group.done[0].adapter, whole)
    return {key: names for key, names in found.items() if names}


def scored(
    groups: Mapping[Key, Group], source: Source, names: Mapping[Key, Sequence[str]]
) -> dict[Key, list[ScoredClass]]:
    """These classes of every group, which `classes_of` names. Noise over seeds is moderated across the groups for
    each score of a class, as it is for every metric."""
    found: dict[tuple[str, str], dict[Key, Resampled]] = {}
    support: dict[Key, np.ndarray] = {}
    counted: dict[tuple[Key, str, str], bool] = {}
    for key, group in groups.items():
        tables = [rows for record in group.done if (rows := source.columns(record)) is not None]
        counts = [count_classes(group.done[0].adapter, names[key], rows) for rows in tables]
        support[key] = counts[0].gold.sum(0)
        for (name, kind), scores, has_units in _resampled(group, counts, tables):
            found.setdefault((name, kind), {})[key] = scores
            counted[key, name, kind] = has_units
    entries = {}
    for (name, kind), parts in found.items():
        around = intervals({key: part.components() for key, part in parts.items() if part.clusters != 1})
        for key, part in parts.items():
            has_units = counted[key, name, kind]
            entries[key, name, kind] = _entry(groups[key], part, around.get(key)) if has_units else Entry()
    return {
        key: [
            ScoredClass(name, int(support[key][place]), tuple(entries[key, name, kind] for kind in KINDS))
            for place, name in enumerate(names[key])
        ]
        for key in groups
    }


def _resampled(
    group: Group, counts: Sequence[ClassCounts], tables: Sequence[Columns]
) -> list[tuple[tuple[str, str], Resampled, bool]]:
    """Every score of every class over resamples, all drawn by one matrix product, and whether any seed has units
    for it. Documents are resampled where examples have some."""
    clusters = [documents_of(rows) for rows in tables]
    asked = [(place, kind) for place in range(len(counts[0].names)) for kind in KINDS]
    scores = [
        item.ratios(kind, place) if own is None else clustered(item.ratios(kind, place), own.numbers)
        for place, kind in asked
        for item, own in zip(counts, clusters, strict=True)
    ]
    draws, seeds = draw(scores), tuple(record.cell.seed for record in group.done)
    found = []
    for number, (place, kind) in enumerate(asked):
        part = slice(number * len(counts), (number + 1) * len(counts))
        values = np.array([item.score() for item in scores[part]])
        plain = Resampled(seeds, values, draws[:, part], tables[0]["id"], 0, exact_interval(scores[part]))
        own = over_clusters(plain, clusters[0])
        has_units = any(item.denominators.any() for item in scores[part])
        found.append(((counts[0].names[place], kind), own, has_units))
    return found


def _entry(group: Group, scores: Resampled, around: Interval | None) -> Entry:
    """As tables have it everywhere: no interval of one seed or one document, and seeds in its place where some
    learned nothing."""
    if around is None:
        return Entry(float(scores.scores.mean()))
    points = scores.scores.tolist() if collapsed(group) else ()
    return entry_of(around.mean, error_bar(around, points=points))


def _is_labelled(group: Group) -> bool:
    return group.done[0].adapter in LABELLED


def confused(group: Group, source: Source) -> dict[tuple[str, str], float]:
    """The share of each class's examples that is predicted as each class, mean over seeds."""
    found: dict[tuple[str, str], float] = {}
    for record in group.done:
        rows = source.columns(record)
        if rows is None:
            continue
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
        return [Entry(float(taken.get(name, 0.0)) if taken else None) for name in matrix]
    others = {name: share for name, share in taken.items() if name != label}
    if not others:
        return [Entry("none" if taken else None)]
    most = max(others, key=lambda name: (others[name], name))
    return [Entry(f"{most} ({100 * others[most]:.0f}%)")]
