"""What the choice is bad at, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.loading import Predictions, columns
from bench.runs.record import Record

SHOWN = 3
CLEAR = 0.05  # below the mean of the classes, for a class to be weak
RARE = 5  # rows of a class, below which a share of them says little


@dataclass(frozen=True)
class Weakness:
    """A class, the share of its rows that are found, the class that the others are taken for, and its rows."""

    label: str
    recall: float
    taken_for: str
    rows: int


def weaknesses(records: Sequence[Record], predictions: Callable[[str], Predictions]) -> list[Weakness]:
    """The classes of which the fewest rows are found, over all seeds, the worst first; [] where no class is far
    below the mean, and where the task is not about one label a text."""
    answers = _answers(records, predictions)
    if answers is None:
        return []
    reference, prediction, seeds = answers
    found = [_of(label, reference, prediction, seeds) for label in sorted(set(reference))]
    mean = np.mean([item.recall for item in found])
    weak = [item for item in found if item.rows >= RARE and item.recall < mean - CLEAR]
    return sorted(weak, key=lambda item: item.recall)[:SHOWN]


@dataclass(frozen=True)
class Confusion:
    """Two classes: how many answers on texts of `label` are `taken_for`, of how many, with how many seeds."""

    label: str
    taken_for: str
    answers: int
    of: int
    seeds: int


def confusions(records: Sequence[Record], predictions: Callable[[str], Predictions]) -> list[Confusion]:
    """The pairs of classes with the most errors over all seeds, the most first; [] where there are none, and where
    the task is not about one label a text."""
    answers = _answers(records, predictions)
    if answers is None:
        return []
    reference, prediction, seeds = answers
    wrong = reference != prediction
    pairs = Counter(zip(reference[wrong].tolist(), prediction[wrong].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    return [
        Confusion(label, taken_for, count, int((reference == label).sum()), seeds)
        for (label, taken_for), count in ordered
    ]


def _answers(
    records: Sequence[Record], predictions: Callable[[str], Predictions]
) -> tuple[np.ndarray, np.ndarray, int] | None:
    """References and predictions of all seeds, one after another, and how many seeds these are; None where the task
    is not about one label a text."""
    done = [record for record in records if record.status == "done"]
    if not done or not done[0].data or any(item.kind == "f1" for item in done[0].metrics):
        return None
    known = set(done[0].data.labels)
    tables = [columns(predictions(record.cell.id)) for record in done]
    reference, prediction = (
        np.concatenate([table[name] for table in tables]) for name in ("reference", "prediction")
    )
    return (reference, prediction, len(done)) if known and set(reference) <= known else None


def _of(label: str, reference: np.ndarray, prediction: np.ndarray, seeds: int) -> Weakness:
    given = prediction[reference == label]
    others, counts = np.unique(given[given != label].astype(str), return_counts=True)
    taken_for = str(others[counts.argmax()]) if len(others) else ""
    return Weakness(label, float(np.mean(given == label)), taken_for, len(given) // seeds)
