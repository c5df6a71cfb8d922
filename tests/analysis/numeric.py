"""Runs on tasks whose examples have a number each: correlations, and an error that is better the lower it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.contracts import Recipe
from bench.runs.record import Data, Point, Record
from tasks.regression import Regression
from tests.analysis.conftest import make_record

METRICS = Regression.metrics


def numeric_run(
    noises: Mapping[str, float],
    tasks: Sequence[str] = ("similarity",),
    unit: float = 1.0,
    seeds: int = 3,
    examples: int = 300,
) -> Run:
    """Strategies whose predictions are the numbers plus noise of this deviation, in units of the numbers' own; at
    an infinite deviation they are noise alone, and below 0 the numbers upside down. unit: of the numbers."""
    rng = np.random.default_rng(0)
    records, files = [], {}
    for task in tasks:
        gold = rng.normal(size=examples)
        for strategy, noise in noises.items():
            own = rng.normal(size=examples)
            for seed in range(seeds):
                error = abs(noise) if np.isfinite(noise) else 1.0
                wobble = error * (0.95 * own + 0.3 * rng.normal(size=examples))
                said = (gold * np.isfinite(noise)) * (1 if noise >= 0 else -1) + wobble
                record, rows = numeric_cell(task, strategy, seed, unit * gold, unit * said)
                records.append(record)
                files[record.cell.id] = rows
    return Run("numbers", records, files.__getitem__)


def numeric_cell(
    task: str, strategy: str, seed: int, gold: np.ndarray, said: np.ndarray
) -> tuple[Record, dict[str, np.ndarray]]:
    """A finished cell with these predictions, and its prediction file."""
    rows = {
        "split": np.full(len(gold), "test", dtype=object),
        "id": np.arange(len(gold)).astype(str).astype(object),
        "reference": np.array([f"{number:g}" for number in gold], dtype=object),
        "prediction": np.array([f"{number:.4g}" for number in said], dtype=object),
        "gold": gold,
        "predicted": said,
        "error": np.abs(gold - said),
    }
    scores = {metric.name: ratios(metric, rows).score() for metric in METRICS}
    unit = float(np.abs(gold).mean())
    data = Data(
        fingerprint="rows",
        task_version=1,
        sizes={"train": 500, "validation": 100, "test": len(gold)},
        labels=(f"mean 0.0, sd {unit!r}",),
        majority={"spearman": 0.0, "pearson": 0.0, "mae": unit},
    )
    rho = scores["spearman"]
    record = make_record(
        task,
        strategy,
        seed,
        recipe=Recipe(),
        adapter="regression",
        headline="spearman",
        metrics=METRICS,
        scores={"test": scores},
        data=data,
        curve=(Point(step=10, epoch=1, seconds=5, phase=1, train_loss=1, loss=1, score=rho),),
        trainable=10 if strategy == "frozen" else 1000,
    )
    return record, rows
