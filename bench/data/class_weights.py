"""The same weight for every class, however many rows it has: scikit-learn's "balanced"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.contracts import BenchError
from bench.data.encoding import Encoded
from bench.data.sequences import first_windows


def balanced(encoded: Mapping[str, Encoded], classes: int, task: str) -> dict[str, Encoded]:
    """The splits with the weight of each row's class as its target, float32 [N, classes], by which training and
    validation losses are weighted: rows / (classes * rows of the class), counted in training, a text of several
    windows once. BenchError where a row has no single class."""
    train = encoded["train"].targets
    if train.ndim != 1 or train.dtype != np.int64 or len(train) != len(encoded["train"]) or classes < 2:
        raise BenchError(
            f"task '{task}': recipe.class_weights needs texts with one label each: leave it out",
            code="no-classes",
        )
    rows = train[first_windows(encoded["train"])]
    counts = np.bincount(rows, minlength=classes)
    weights = len(rows) / (classes * np.maximum(counts, 1))
    table = np.diag(weights).astype(np.float32)
    return {name: replace(part, targets=table[part.targets]) for name, part in encoded.items()}
