"""The interface of trackers, where they are found, and what of a cell they log.

A tracker is a file of this folder, or a module that an installed package names as `transferbench.trackers`, with a
function `opened(store)` that returns it. The file's name is the tracker's, and that of the extra of its package."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from bench.extras import missing
from bench.registry import unknown
from bench.runs.folder import Store
from bench.runs.record import Record

OTHERS = ("contract", "follow", "tracking")
"""Files of this folder that are no trackers."""


@functools.cache
def modules() -> Mapping[str, str]:
    """The module of each tracker by its name, the project's own first. Imports none of them."""
    here = __name__.rpartition(".")[0]
    own = [
        info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)]) if info.name not in OTHERS
    ]
    found = {name: f"{here}.{name}" for name in own}
    for entry in entry_points(group="transferbench.trackers"):
        found.setdefault(entry.name, entry.module)
    return found


class Tracker(Protocol):
    """A place that shows cells."""

    def has(self, key: str) -> bool:
        """Whether the record with this key is there and complete."""
        ...

    def log(self, record: Record, key: str, store: Store) -> None:
        """Add a cell, replacing what an interrupted attempt left."""


def module_of(name: str) -> str:
    """The module of the tracker of this name. BenchError where there is none."""
    if name not in modules():
        raise unknown("tracker", name, list(modules()))
    return modules()[name]


def tracker(name: str, store: Store) -> Tracker:
    """The tracker of this name. BenchError where there is none, or where its package is not installed."""
    module = module_of(name)
    try:
        return importlib.import_module(module).opened(store)
    except ImportError as error:
        raise missing(name, name, error) from error


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
    return {**scores, **seconds, **sizes, **_in_use(record), **_moved(record)}


def _in_use(record: Record) -> dict[str, float]:
    """What the model costs to use, where that was measured."""
    forms = {"plain": record.serving.plain, "merged": record.serving.merged} if record.serving else {}
    return {
        f"serving.{form}.{name}": float(value)
        for form, served in forms.items()
        if served
        for name, value in served.model_dump().items()
    }


def _moved(record: Record) -> dict[str, float]:
    """How far the encoder moved, where that was measured."""
    layers = {f"forgetting.cka.{number}": value for number, value in enumerate(record.forgetting)}
    loss = record.language_loss
    if loss is None or loss.before is None or loss.after is None:
        return layers
    return {**layers, "forgetting.lm_before": loss.before, "forgetting.lm_after": loss.after}


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
