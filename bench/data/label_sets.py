"""Texts with several labels each: targets, predictions with the scores of all labels, and their scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.contracts import LabelsExample
from bench.data.encoding import label_index


@dataclass(frozen=True)
class LabelSet:
    """A prediction: the labels that a text is said to have. ranked: the probability of every label, in the order of
    `names`. Two are equal that name the same labels."""

    labels: tuple[str, ...]
    names: tuple[str, ...] = field(default=(), compare=False)
    ranked: tuple[float, ...] = field(default=(), compare=False)


def check_labels(labels: Sequence[str]) -> str | None:
    """What is wrong with the labels of an example, or None."""
    if not all(label.strip() for label in labels):
        return "a label is empty"
    if len(set(labels)) < len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        return f"label '{twice}' is there twice"
    return None


def indicators(examples: Sequence[LabelsExample], labels: Sequence[str]) -> np.ndarray:
    """Targets: int64 [N, labels], 1 where an example has the label. BenchError for a label not in `labels`."""
    ids = (example.id for example in examples for _ in example.labels)
    names = (name for example in examples for name in example.labels)
    found = np.zeros((len(examples), len(labels)), np.int64)
    rows = np.repeat(np.arange(len(examples)), [len(example.labels) for example in examples])
    found[rows, label_index(ids, names, labels)] = 1
    return found


def decode_sets(logits: np.ndarray, labels: Sequence[str], threshold: float = 0.5) -> list[LabelSet]:
    """The labels whose probability is above the threshold, from logits [N, labels]."""
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    names = tuple(labels)
    return [
        LabelSet(
            tuple(name for name, p in zip(names, row, strict=True) if p > threshold),
            names,
            tuple(row.tolist()),
        )
        for row in probabilities
    ]


def best_threshold(references: Sequence[Sequence[str]], logits: np.ndarray, labels: Sequence[str]) -> float:
    """The threshold with the highest micro F1, of 0.05 to 0.95 in steps of 0.05; of equals the nearest to one
    half."""
    steps = sorted((number / 20 for number in range(1, 20)), key=lambda step: abs(step - 0.5))
    gold = _matrix(references, list(labels)).astype(bool)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))

    def micro_f1(threshold: float) -> float:
        said = probabilities > threshold
        return 2 * float((gold & said).sum()) / max(float(gold.sum() + said.sum()), 1.0)

    return max(steps, key=micro_f1)


def frequent(train: Sequence[LabelsExample], labels: Sequence[str]) -> LabelSet:
    """The labels that more than half of the training rows have, ranked by how many have them."""
    counts = Counter(label for example in train for label in example.labels)
    shares = tuple(counts[label] / len(train) for label in labels)
    chosen = tuple(label for label, share in zip(labels, shares, strict=True) if share > 0.5)
    return LabelSet(chosen, tuple(labels), shares)


def score_sets(references: Sequence[Sequence[str]], predictions: Sequence[LabelSet]) -> dict[str, float]:
    """scikit-learn's scores: micro F1, macro F1 over the labels that occur in references or predictions, the share
    of texts whose whole set is right, and label ranking average precision."""
    from sklearn.metrics import accuracy_score, f1_score, label_ranking_average_precision_score

    labels = _names(references, predictions)
    gold, said = _matrix(references, labels), _matrix([p.labels for p in predictions], labels)
    zero: Any = 0
    if not labels:
        return {"f1": 0.0, "macro_f1": 0.0, "accuracy": 1.0, "lrap": 1.0}
    present = np.flatnonzero(gold.any(0) | said.any(0))
    # label by label: scikit-learn would take a matrix of one column for a binary task and average over its classes
    each = [f1_score(gold[:, label], said[:, label], zero_division=zero) for label in present]
    return {
        "f1": float(f1_score(gold.ravel(), said.ravel(), zero_division=zero)),
        "macro_f1": float(np.mean(each)) if each else 0.0,
        "accuracy": float(accuracy_score(gold, said)),
        "lrap": float(label_ranking_average_precision_score(gold, _ranks(predictions, labels))),
    }


def ranking_precisions(references: Sequence[Sequence[str]], predictions: Sequence[LabelSet]) -> list[float]:
    """Label ranking average precision of each text (Tsoumakas et al. 2010): over its labels, the mean share of its
    own among all labels that are ranked at least as high; 1 where it has no label, or all."""
    labels = _names(references, predictions)
    gold, scores = _matrix(references, labels).astype(bool), _ranks(predictions, labels)
    found = np.ones(len(gold))
    for row in np.flatnonzero(gold.any(1) & ~gold.all(1)):
        own = scores[row, gold[row]]
        above = scores[row][None, :] >= own[:, None]
        found[row] = ((own[None, :] >= own[:, None]).sum(1) / above.sum(1)).mean()
    return found.tolist()


def set_columns(references: Sequence[Sequence[str]], predictions: Sequence[LabelSet]) -> dict[str, list[Any]]:
    """`reference` and `prediction` as JSON lists of sorted labels; the counts of right (`tp`), predicted and gold
    labels; `correct`, whether the whole set is right; `precision`, the label ranking average precision."""
    pairs = [(set(gold), set(said.labels)) for gold, said in zip(references, predictions, strict=True)]
    return {
        "reference": [as_list(gold) for gold, _ in pairs],
        "prediction": [as_list(said) for _, said in pairs],
        "tp": [len(gold & said) for gold, said in pairs],
        "predicted": [len(said) for _, said in pairs],
        "gold": [len(gold) for gold, _ in pairs],
        "correct": [int(gold == said) for gold, said in pairs],
        "precision": ranking_precisions(references, predictions),
    }


def as_list(labels: Iterable[str]) -> str:
    """A set of labels as text, whatever characters labels have."""
    return json.dumps(sorted(labels), ensure_ascii=False)


def _names(references: Sequence[Sequence[str]], predictions: Sequence[LabelSet]) -> list[str]:
    found = {label for labels in references for label in labels}
    for prediction in predictions:
        found.update(prediction.labels, prediction.names)
    return sorted(found)


def _matrix(sets: Sequence[Sequence[str]], labels: Sequence[str]) -> np.ndarray:
    place = {label: number for number, label in enumerate(labels)}
    found = np.zeros((len(sets), len(labels)), np.int64)
    for number, names in enumerate(sets):
        found[number, [place[name] for name in names]] = 1
    return found


def _ranks(predictions: Sequence[LabelSet], labels: Sequence[str]) -> np.ndarray:
    """The probability of every label, 0 where a prediction does not know it; float64 [N, labels]."""
    place = {label: number for number, label in enumerate(labels)}
    found = np.zeros((len(predictions), len(labels)))
    for number, prediction in enumerate(predictions):
        found[number, [place[name] for name in prediction.names]] = prediction.ranked
    return found
