"""Logits that predictions keep: columns of float16, and the temperature that calibrates them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.contracts import Recipe
from bench.data.sequences import first_windows, pooled_windows
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


def asked_for(
    recipe: Recipe, labels: tuple[str, ...], validation: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> KeptLogits:
    """What the recipe asks for. validation: makes the logits of the validation rows [N, labels] and their classes
    [N], on which a temperature is fitted."""
    if not recipe.logits and not recipe.calibrate:
        return KeptLogits()
    return KeptLogits(labels, fitted_temperature(*validation()) if recipe.calibrate else None)


def kept_logits(model: Model, phase: PlannedPhase, group: CellGroup, recipe: Recipe) -> KeptLogits:
    """What the recipe asks for. The temperature is fitted on what it divides: one row of logits a text, however
    many windows a text has."""

    def validation() -> tuple[np.ndarray, np.ndarray]:
        encoded = group.encoded["validation"]
        logits, _ = predict(model, "validation", group.splits["validation"], phase)
        targets = encoded.targets[first_windows(encoded)]
        return pooled_windows(logits, encoded), targets if targets.ndim == 1 else targets.argmax(1)

    return asked_for(recipe, group.labels, validation)


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
