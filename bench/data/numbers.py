"""Texts with a number each: standardised targets, predictions in the units of the data, and their scores."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.contracts import BenchError, NumberExample

_SCALE = re.compile(r"mean (\S+), sd (\S+)")


LARGEST = 1e30
"""Numbers up to this size can be squared in float64 and written in float32, as exported models do."""


def check_number(example: NumberExample) -> str | None:
    """What is wrong with the number of an example, or None."""
    number = example.number
    if math.isfinite(number) and abs(number) > LARGEST:
        return f"the number {number:g} is beyond {LARGEST:g}"
    return None if math.isfinite(number) else f"the number is {number}"


def scale_name(train: Sequence[NumberExample]) -> str:
    """Mean and standard deviation of the training numbers as the name of the head's only output, from which
    `scale_of` reads them back exactly. BenchError where all numbers are the same."""
    numbers = np.array([example.number for example in train], np.float64)
    mean, deviation = float(numbers.mean()), float(numbers.std())
    if not 0 < deviation < math.inf:
        raise BenchError(
            f"the {len(train):,} training rows have the same number, {numbers[0] if len(numbers) else 'none'}: "
            "there is nothing to learn; use more rows",
            code="constant-number",
        )
    return f"mean {mean!r}, sd {deviation!r}"


def scale_of(labels: Sequence[str]) -> tuple[float, float]:
    """Mean and standard deviation of the training numbers."""
    match = _SCALE.fullmatch(labels[0])
    if match is None:
        raise ValueError(f"'{labels[0]}' is no scale: it comes from `scale_name`")
    return float(match[1]), float(match[2])


def standardised(examples: Sequence[NumberExample], labels: Sequence[str]) -> np.ndarray:
    """Targets: float32 [N], in standard deviations of the training rows from their mean."""
    mean, deviation = scale_of(labels)
    return ((np.array([e.number for e in examples], np.float64) - mean) / deviation).astype(np.float32)


def decode_numbers(logits: np.ndarray, labels: Sequence[str]) -> list[float]:
    """[N, 1] -> numbers in the units of the data."""
    mean, deviation = scale_of(labels)
    return (logits[:, 0].astype(np.float64) * deviation + mean).tolist()


def correlations(numbers: Sequence[float], predictions: Sequence[float]) -> dict[str, float]:
    """Spearman's and Pearson's correlation by scipy, 0 where they are undefined: constant predictions say nothing;
    and scikit-learn's mean absolute error."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error

    defined = not is_constant(numbers) and not is_constant(predictions)
    spearman: Any = spearmanr(numbers, predictions) if defined else None
    pearson: Any = pearsonr(numbers, predictions) if defined else None
    return {
        "spearman": float(spearman.statistic) if defined else 0.0,
        "pearson": float(pearson.statistic) if defined else 0.0,
        "mae": float(mean_absolute_error(numbers, predictions)),
    }


def is_constant(values: Sequence[float]) -> bool:
    """Whether values do not vary, but for rounding: a correlation with them would be noise."""
    found = np.asarray(values, np.float64)
    return bool(np.ptp(found) <= 1e-12 * max(1.0, float(np.abs(found).max())))


def number_columns(numbers: Sequence[float], predictions: Sequence[float]) -> dict[str, list[Any]]:
    """`reference` and `prediction` as text, `gold` and `predicted` as numbers, `error`: their absolute
    difference."""
    return {
        "reference": [f"{number:g}" for number in numbers],
        "prediction": [f"{number:.4g}" for number in predictions],
        "gold": list(numbers),
        "predicted": list(predictions),
        "error": [abs(a - b) for a, b in zip(numbers, predictions, strict=True)],
    }
