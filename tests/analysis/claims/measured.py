"""Runs with given accuracies, for claims that are made up."""

from __future__ import annotations

import numpy as np

from bench.analysis.claims.published import DifferenceClaim
from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from tests.analysis.conftest import METRICS, make_predictions, make_record

BETTER = DifferenceClaim(
    name="better", source="a paper", says="", kind="difference", first="full", second="frozen", above=0.0
)


def run_of(accuracies: dict[tuple[str, str], float], **changes: object) -> Run:
    """Three seeds of each (task, strategy), whose predictions have about this accuracy."""
    rng = np.random.default_rng(0)
    records, files = [], {}
    difficulty = rng.random(1000)
    for (task, strategy), accuracy in accuracies.items():
        for seed in range(3):
            ease = 0.9 * difficulty + 0.1 * rng.random(1000)
            rows = make_predictions((ease < accuracy * 0.9 + 0.05).astype(float))
            record = make_record(
                task, strategy, seed, trainable=1000 if strategy == "full" else 10, **changes
            )
            _, _, size = task.partition("@")
            data = record.data.model_copy(update={"sizes": {"train": int(size or 500), "test": 1000}})
            scores = {item.name: ratios(item, rows).score() for item in METRICS}
            record = record.model_copy(update={"scores": {"test": scores}, "data": data})
            records.append(record)
            files[record.cell.id] = rows
    return Run("a run", records, files.__getitem__)


def over(differences: dict[str, float]) -> Run:
    """A run in which `full` is ahead of `frozen` by these differences."""
    scores = {(task, "full"): 0.7 + difference for task, difference in differences.items()}
    return run_of({**scores, **{(task, "frozen"): 0.7 for task in differences}})
