"""Texts with one label each: their targets and scores. What classification and sentiment share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.contracts import Recipe, TextExample
from bench.data.encoding import Encoded, label_index
from bench.data.sequences import check_texts, encode_sequences

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)", re.ASCII)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Each label once: by value where all are numbers, so that 2 comes before 10; else as text."""
    found = sorted(set(labels))
    return tuple(sorted(found, key=float) if all(map(NUMBER.fullmatch, found)) else found)


def check_text(example: TextExample) -> str | None:
    """What is wrong with a labelled text, or None."""
    return check_texts(example) or (None if example.label else "the label is empty")


def encode_texts(
    examples: Sequence[TextExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
) -> Encoded:
    """As `encode_sequences`; targets int64 [N]: the index of each label."""
    targets = label_index((e.id for e in examples), (e.label for e in examples), labels)
    return encode_sequences(examples, targets, tokenizer, recipe)


def decode_labels(logits: np.ndarray, labels: Sequence[str]) -> list[str]:
    """The label of the largest logit of each row of [N, labels]; the first of equals."""
    numbers: list[int] = logits.argmax(axis=1).tolist()
    return [labels[number] for number in numbers]


def majority_label(train: Sequence[TextExample]) -> str:
    """The label that most examples have; the first of equals in alphabetical order."""
    counts = Counter(example.label for example in train)
    return max(sorted(counts), key=counts.__getitem__)


def score_labels(references: Sequence[str], predictions: Sequence[str]) -> dict[str, float]:
    """`accuracy` and macro `f1` over the labels that occur in either list, by scikit-learn."""
    from sklearn.metrics import accuracy_score, f1_score

    f1 = f1_score(
        references,
        predictions,
        average="macro",
        zero_division=0,  # pyright: ignore[reportArgumentType]
    )
    return {
        "accuracy": float(accuracy_score(references, predictions)),
        "f1": float(f1),
    }


def label_columns(references: Sequence[str], predictions: Sequence[str]) -> dict[str, list[Any]]:
    """`reference` and `prediction`, and `correct` as 0 or 1."""
    correct = [int(r == p) for r, p in zip(references, predictions, strict=True)]
    return {"reference": list(references), "prediction": list(predictions), "correct": correct}
