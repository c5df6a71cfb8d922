"""What kind of answer a model gives, as transformers names it, and what follows from that for an exported model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.contracts import LabelsExample, NumberExample
from bench.data.label_sets import LabelSet
from bench.data.numbers import scale_of

CLOSE = 1e-3
"""Standard deviations, or units of probability, by which an answer may differ for rounding."""


def problem_of(rows: Sequence[Any]) -> str | None:
    """`problem_type` of the configuration; None for one label a text, a token or a span."""
    if isinstance(rows[0], NumberExample):
        return "regression"
    return "multi_label_classification" if isinstance(rows[0], LabelsExample) else None


def reads_pairs(rows: Sequence[Any]) -> bool:
    """Whether the rows have two texts."""
    return any(getattr(row, "pair", "") for row in rows)


def named(labels: tuple[str, ...], problem: str | None) -> tuple[str, ...]:
    """The labels in the configuration: of a number its own name instead of its scale."""
    return ("number",) if problem == "regression" else labels


def in_units(
    head: nn.Linear, labels: tuple[str, ...], problem: str | None, temperature: float | None
) -> nn.Linear:
    """The head whose outputs need nothing more: of a number with the scale of the training rows in its weights, of
    labels with the logits divided by the temperature that calibrates them."""
    if problem == "regression":
        mean, deviation = scale_of(labels)
    elif temperature is not None:
        mean, deviation = 0.0, 1 / temperature
    else:
        return head
    scaled = nn.Linear(head.in_features, head.out_features)
    with torch.no_grad():
        scaled.weight.copy_(head.weight * deviation)
        scaled.bias.copy_(head.bias * deviation + mean)
    return scaled


def shares_of(logits: np.ndarray, problem: str | None, temperature: float | None) -> np.ndarray | None:
    """The probability of every label of every text, from its logits [N, labels]; None of a number."""
    if problem == "regression":
        return None
    scaled = torch.from_numpy(logits.astype(np.float64)) / (temperature or 1.0)
    return (scaled.sigmoid() if problem == "multi_label_classification" else scaled.softmax(1)).numpy()


def are_close(ours: np.ndarray, theirs: Sequence[dict[str, float]], names: Sequence[str]) -> list[bool]:
    """Whether the script's probabilities of each text are the harness's, up to rounding."""
    found = np.array([[shares[name] for name in names] for shares in theirs])
    return (np.abs(found - ours).max(1) <= CLOSE).tolist()


def is_alike(ours: Any, theirs: Any, labels: tuple[str, ...]) -> bool:
    """Whether the script's prediction is the harness's; a number up to rounding."""
    if isinstance(ours, LabelSet):
        return sorted(ours.labels) == theirs
    if isinstance(ours, float):
        return abs(ours - theirs) <= CLOSE * scale_of(labels)[1]
    return ours == theirs


def inputs(rows: Sequence[Any]) -> list[Any]:
    """What the scripts take: texts, pairs of texts, lists of words, (question, context)."""
    if hasattr(rows[0], "words"):
        return [list(row.words) for row in rows]
    if hasattr(rows[0], "question"):
        return [(row.question, row.context) for row in rows]
    return [(row.text, row.pair) if reads_pairs(rows) else row.text for row in rows]
