"""What every class counts in each test example: the label of a text, each of several labels, or the entities of a
sentence by type. Precision, recall and F1 of a class are ratios of sums of these counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.analysis.derived import LABELLED
from bench.analysis.entities import spans
from bench.analysis.loading import Columns
from bench.analysis.statistics.metrics import Ratios

COUNTED = (*LABELLED, "multilabel", "ner")
"""The adapters whose predictions have classes."""
KINDS = ("precision", "recall", "F1")


@dataclass(frozen=True)
class ClassCounts:
    """The units of one record's test examples: labels, or entities. names: of the classes. right, said, gold: float
    [examples, classes], those that were found, predicted and there."""

    names: tuple[str, ...]
    right: np.ndarray
    said: np.ndarray
    gold: np.ndarray

    def ratios(self, kind: str, place: int) -> Ratios:
        """A score of the class at `place`; 0 where its denominator is zero, as scikit-learn's zero_division=0."""
        right, said, gold = (part[:, [place]] for part in (self.right, self.said, self.gold))
        if kind == "F1":
            return Ratios(2 * right, said + gold, f1=True)
        return Ratios(right, said if kind == "precision" else gold)


def class_names(adapter: str, tables: Sequence[Columns]) -> tuple[str, ...]:
    """All classes of references or predictions, those with most reference units first. The tables hold the same
    examples."""
    support: Counter[str] = Counter()
    for place, rows in enumerate(tables):
        for text, count in Counter(map(str, rows["reference"])).items():
            for name, _, _ in units(adapter, text):
                support[name] += count if place == 0 else 0
        for text in set(map(str, rows["prediction"])):
            for name, _, _ in units(adapter, text):
                support[name] += 0
    return tuple(sorted(support, key=lambda name: (-support[name], name)))


def count_classes(adapter: str, names: Sequence[str], rows: Columns) -> ClassCounts:
    """The counts of these classes in one table of predictions."""
    place = {name: number for number, name in enumerate(names)}
    pairs = list(zip(map(str, rows["reference"]), map(str, rows["prediction"]), strict=True))
    numbers: dict[tuple[str, str], int] = {}
    codes = np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.intp)
    found = np.zeros(
        (3, len(numbers), len(names))
    )  # of each distinct pair: most texts repeat in classification
    for (reference, prediction), number in numbers.items():
        there, claimed = units(adapter, reference), units(adapter, prediction)
        for counts, part in zip(found, (there & claimed, claimed, there), strict=True):
            for name, _, _ in part:
                if name in place:
                    counts[number, place[name]] += 1
    right, said, gold = found[:, codes]
    return ClassCounts(tuple(names), right, said, gold)


def units(adapter: str, text: str) -> frozenset[Any]:
    """What a reference or a prediction names, each as (class, first word, word after the last); a label of a text
    has no words."""
    if adapter == "ner":
        return spans(text)
    return _labels(text) if adapter == "multilabel" else frozenset({(text, 0, 0)})


@lru_cache(maxsize=20_000)
def _labels(text: str) -> frozenset[Any]:
    return frozenset((label, 0, 0) for label in json.loads(text))
