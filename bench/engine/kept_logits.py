"""Logits that predictions keep: columns of float16, and the temperature that calibrates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.contracts import BenchError, Recipe, Task
from bench.engine.group import CellGroup
from bench.engine.model import Model
from bench.engine.plan import PlannedPhase
from bench.engine.prediction import predict

PREFIX = "logit:"
"""Of the column of a label's logits."""
RANGE = (-5.0, 5.0)
"""Of the logarithm of a temperature."""


@dataclass(frozen=True)
class KeptLogits:
    """What a cell keeps of its logits. labels: () where nothing is kept. temperature: what they are divided by."""

    labels: tuple[str, ...] = ()
    temperature: float | None = None

    def columns(self, logits: np.ndarray) -> dict[str, np.ndarray]:
        """A column for each label: float16 [N], of logits [N, labels]."""
        scaled = np.clip(logits / (self.temperature or 1.0), -65504, 65504).astype(np.float16)
        return {f"{PREFIX}{label}": scaled[:, place] for place, label in enumerate(self.labels)}

    @property
    def chosen(self) -> dict[str, float]:
        return {} if self.temperature is None else {"temperature": self.temperature}


def kept_logits(model: Model, phase: PlannedPhase, group: CellGroup, recipe: Recipe) -> KeptLogits:
    """What the recipe asks for. BenchError where the task has no labels of texts."""
    if not recipe.logits and not recipe.calibrate:
        return KeptLogits()
    _check(group.task, group.labels, recipe)
    if not recipe.calibrate:
        return KeptLogits(group.labels)
    logits, _ = predict(model, "validation", group.splits["validation"], phase)
    targets = group.encoded["validation"].targets
    return KeptLogits(
        group.labels, fitted_temperature(logits, targets if targets.ndim == 1 else targets.argmax(1))
    )


def _check(task: Task, labels: Sequence[str], recipe: Recipe) -> None:
    kind = "recipe.calibrate" if recipe.calibrate else "recipe.logits"
    if task.head != "pooled" or len(labels) < 2 or (recipe.calibrate and task.adapter == "multilabel"):
        raise BenchError(
            f"task '{task.name}': {kind} needs texts with one label each"
            f"{'' if recipe.calibrate else ', or several'}: leave it out",
            code="no-logits",
        )


def fitted_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature with the lowest cross-entropy on these rows (Guo et al. 2017, ICML): logits [N, labels],
    targets [N]."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    rows = np.arange(len(targets))
    exact = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        scaled = exact / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - scaled[rows, targets]).mean())

    found: Any = minimize_scalar(loss, bounds=RANGE, method="bounded")
    return float(np.exp(found.x))
