"""The interface of trackers, and what of a cell they log."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from bench.extras import missing
from bench.registry import unknown
from bench.runs.folder import Store
from bench.runs.record import Record

TrackerName = Literal["mlflow", "tensorboard"]
NAMES: tuple[TrackerName, ...] = ("mlflow", "tensorboard")


class Tracker(Protocol):
    """A place that shows cells."""

    def has(self, key: str) -> bool:
        """Whether the record with this key is there and complete."""
        ...

    def log(self, record: Record, key: str, store: Store) -> None:
        """Add a cell, replacing what an interrupted attempt left."""


def tracker(name: str, store: Store) -> Tracker:
    """The tracker of this name. BenchError where there is none, or where its package is not installed."""
    try:
        if name == "mlflow":
            from bench.trackers.mlflow import MLflow

            return MLflow(store.suite())
        if name == "tensorboard":
            from bench.trackers.tensorboard import TensorBoard

            return TensorBoard(store.path / "tensorboard")
    except ImportError as error:
        raise missing(name, name, error) from error
    raise unknown("tracker", name, NAMES)


def parameters(record: Record) -> dict[str, str]:
    """The requested values by name."""
    cell = record.cell
    asked = {"task": cell.task, "strategy": cell.strategy, "backbone": cell.backbone, "seed": cell.seed}
    recipe = {f"recipe.{key}": value for key, value in dataclasses.asdict(cell.recipe).items()}
    options = {f"option.{key}": value for key, value in cell.options}
    return {key: str(value) for key, value in {**asked, **recipe, **options}.items()}


def metrics(record: Record) -> dict[str, float]:
    """The measured values by name."""
    scores = {
        f"{test}.{name}": score for test, found in record.scores.items() for name, score in found.items()
    }
    seconds = {f"seconds.{name}": value for name, value in record.seconds.model_dump().items()}
    sizes = {
        "peak_memory": float(record.peak_memory),
        "trainable": float(record.trainable),
        "parameters": float(record.parameters),
        "flops": record.flops,
        "utilisation": record.utilisation,
    }
    return {**scores, **seconds, **sizes}


def curves(record: Record) -> Mapping[str, Sequence[tuple[int, float]]]:
    """The learning curve as (step, value) by name."""
    return {
        name: [(point.step, float(getattr(point, field))) for point in record.curve]
        for name, field in {
            "curve.train_loss": "train_loss",
            "curve.validation_loss": "loss",
            f"curve.validation_{record.headline or 'score'}": "score",
        }.items()
        if record.curve
    }
