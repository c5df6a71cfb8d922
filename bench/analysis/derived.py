"""Metrics that tables compute from predictions when they are asked for: the records need not have them.

From labels: balanced accuracy and Matthews' correlation. From kept logits (`recipe.logits`): the cross-entropy
`nll`, the Brier score, and `ece`, the expected calibration error over bins of equal mass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from bench.analysis.loading import Predictions, arrays, columns
from bench.analysis.statistics.metrics import ratios_of
from bench.contracts import Metric
from bench.runs.record import Record

PREFIX = "logit:"
"""Of the column of a label's logits."""
BINS = 15
DERIVED = {
    "balanced_accuracy": Metric("balanced_accuracy", "macro_recall"),
    "mcc": Metric("mcc", "mcc"),
    "nll": Metric("nll", "error", ("nll",)),
    "brier": Metric("brier", "error", ("brier",)),
    "ece": Metric("ece", "error", ("ece",)),
}
LABELLED = ("classification", "sentiment")
"""The adapters of one label a text."""

Read = Callable[[str], Predictions]


def with_derived(
    records: Sequence[Record], predictions: Read, names: Sequence[str]
) -> tuple[list[Record], Read]:
    """The records with those of the derived metrics that are named, where their predictions allow it, and what
    reads the predictions with the columns that these metrics need."""
    wanted = [DERIVED[name] for name in names if name in DERIVED]

    @cache
    def read(cell: str) -> Predictions:
        return _extended(arrays(predictions(cell)))

    return [_derived(record, read, wanted) for record in records], read if wanted else predictions


def _derived(record: Record, read: Read, wanted: Sequence[Metric]) -> Record:
    known = {metric.name for metric in record.metrics}
    own = [metric for metric in wanted if metric.name not in known]
    if record.status != "done" or record.adapter not in LABELLED or not own:
        return record
    try:
        found = read(record.cell.id)
    except (OSError, KeyError):
        return record
    own = [metric for metric in own if set(metric.columns) <= set(found)]
    scores = {
        test: {**values, **{m.name: ratios_of(record, m, columns(found, test)).score() for m in own}}
        for test, values in record.scores.items()
    }
    return record.model_copy(update={"metrics": (*record.metrics, *own), "scores": scores})


def _extended(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The columns, with one for each measure of the kept logits; ECE by test set."""
    labels = [name for name in found if name.startswith(PREFIX)]
    if not labels:
        return dict(found)
    logits = np.stack([found[name].astype(np.float64) for name in labels], 1)
    right = np.array([name.removeprefix(PREFIX) for name in labels], object) == found["reference"][:, None]
    probabilities = softmax(logits)
    chosen = (probabilities * right).sum(1)
    ece = np.zeros(len(logits))
    correct = right[np.arange(len(right)), probabilities.argmax(1)]
    for test in np.unique(found["split"]):
        rows = found["split"] == test
        ece[rows] = calibration_terms(probabilities[rows].max(1), correct[rows])
    nll = -np.log(np.maximum(chosen, 1e-12))
    return {**found, "nll": nll, "brier": ((probabilities - right) ** 2).sum(1), "ece": ece}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [N, labels]."""
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def bins_of(confidences: np.ndarray) -> np.ndarray:
    """The bin of each example [N]: BINS of equal mass, by confidence (Nguyen & O'Connor 2015; Nixon et al.
    2019)."""
    order = np.argsort(confidences, kind="stable")
    bins = np.empty(len(confidences), int)
    bins[order] = np.arange(len(order)) * BINS // max(len(order), 1)
    return bins


def calibration_terms(confidences: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Values [N] whose mean is the expected calibration error: in each bin, confidence less correctness, with the
    sign that the bin's mean has."""
    gaps = confidences - correct.astype(float)
    bins = bins_of(confidences)
    signs = np.sign(np.bincount(bins, gaps, minlength=BINS))
    return gaps * signs[bins]
