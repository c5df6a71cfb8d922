"""Hand-made records and predictions: a run whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.contracts import Cell, Metric, Recipe
from bench.runs.record import Data, Machine, Point, Record, Seconds

MACHINE = Machine(
    device="cpu",
    dtype="float32",
    threads=2,
    processor="Example CPU",
    system="Linux",
    versions={"torch": "2.13.0"},
    commit="abc1234",
)
METRICS = (Metric("accuracy", "mean", ("correct",)), Metric("f1", "macro_f1"))


def make_record(task: str = "reviews", strategy: str = "full", seed: int = 0, **changes: Any) -> Record:
    """A finished record with round numbers; `accuracy` sets its score, other names are its fields."""
    accuracy = changes.pop("accuracy", 0.8)
    backbone = changes.pop("backbone", "minilm")
    cell = Cell("quick", task, strategy, backbone, seed, changes.pop("recipe", Recipe()))
    fields: dict[str, Any] = {
        "cell": cell,
        "fingerprint": f"{cell.id}",
        "status": "done",
        "adapter": "classification",
        "headline": "accuracy",
        "metrics": METRICS,
        "scores": {"test": {"accuracy": accuracy, "f1": accuracy - 0.01}},
        "curve": (Point(step=10, epoch=1, seconds=5, phase=1, train_loss=1, loss=1, score=accuracy),),
        "seconds": Seconds(prepare=1, train=8 + seed / 1000, evaluate=1, cold=10 + seed / 1000),
        "peak_memory": 400 * 2**20,
        "trainable": 1000,
        "parameters": 1000,
        "data": Data(
            fingerprint="rows",
            task_version=1,
            sizes={"train": 500, "validation": 100, "test": 200},
            labels=("neg", "pos"),
            majority={"accuracy": 0.5, "f1": 0.33},
        ),
        "machine": MACHINE,
        "started": "2026-01-01T00:00:00Z",
    }
    return Record(**{**fields, **changes})


def make_predictions(correct: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """A prediction file for a two-label task whose column `correct` is given, [examples] of 0 or 1."""
    rng = np.random.default_rng(seed)
    reference = np.where(rng.random(len(correct)) < 0.5, "pos", "neg").astype(object)
    other = np.where(reference == "pos", "neg", "pos").astype(object)
    return {
        "split": np.full(len(correct), "test", dtype=object),
        "id": np.arange(len(correct)).astype(str).astype(object),
        "reference": reference,
        "prediction": np.where(correct == 1, reference, other),
        "correct": correct.astype(float),
    }


@pytest.fixture
def record() -> Callable[..., Record]:
    return make_record


@pytest.fixture
def grid() -> list[Record]:
    """Two tasks, three strategies, two backbones, three seeds; one cell failed and one is missing."""
    accuracies = {"frozen": 0.70, "top-layers": 0.80, "full": 0.82}
    seconds = {"frozen": 2.0, "top-layers": 5.0, "full": 10.0}
    trainable = {"frozen": 5, "top-layers": 300, "full": 1000}
    records = []
    for task, shift in (("reviews", 0.0), ("news", 0.05)):
        for strategy, accuracy in accuracies.items():
            for seed in range(3):
                value = accuracy + shift + (seed - 1) * 0.004
                records.append(
                    make_record(
                        task,
                        strategy,
                        seed,
                        accuracy=round(value, 4),
                        seconds=Seconds(cold=seconds[strategy] + 0.1 * seed),
                        trainable=trainable[strategy],
                    )
                )
    for seed in range(3):
        records.append(make_record("reviews", "frozen", seed, backbone="glove", accuracy=0.5, trainable=2))
    failed = records[-4].model_copy(
        update={"status": "oom", "reason": "out of memory at batch 32", "scores": {}}
    )
    return [*records[:-4], failed, *records[-3:]]


@pytest.fixture
def predicted() -> Run:
    """`grid` as a run with 400 predictions a cell; scores are those of the predictions."""
    rng = np.random.default_rng(0)
    wanted = {"frozen": 0.70, "top-layers": 0.81, "full": 0.82}
    records, files = [], {}
    for task in ("reviews", "news"):
        difficulty = rng.random(400)
        for strategy, accuracy in wanted.items():
            for seed in range(3):
                ease = 0.9 * difficulty + 0.1 * rng.random(400)
                rows = make_predictions((ease < np.quantile(difficulty, accuracy)).astype(float))
                record = make_record(task, strategy, seed)
                scores = {item.name: ratios(item, rows).score() for item in METRICS}
                records.append(record.model_copy(update={"scores": {"test": scores}}))
                files[record.cell.id] = rows
    return Run("predicted", records, files.__getitem__)
