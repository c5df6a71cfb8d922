"""A run with two finished cells and a failed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Cell, Recipe
from bench.runs.curve import Point
from bench.runs.folder import Store
from bench.runs.record import Record, Seconds

TESTS = {"test": {"id": ["a"], "reference": ["x"], "prediction": ["x"]}}


def record(seed: int = 0, **changes: Any) -> Record:
    fields = {
        "fingerprint": "f",
        "status": "done",
        "headline": "f1",
        "scores": {"test": {"f1": 0.5, "accuracy": 0.75}},
        "curve": tuple(Point(step, step / 2, 1.0, 1, 0.9, 0.8, 0.1 * step) for step in (1, 2)),
        "seconds": Seconds(train=2.0, cold=3.0),
        "started": "2026-01-01T00:00:00+00:00",
    }
    return Record(cell=Cell("suite", "task", "full", "tiny", seed, Recipe(epochs=2)), **{**fields, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "run")
    store.begin("suite", [record(seed).cell.id for seed in range(3)])
    for seed in (0, 1):
        store.save(record(seed), TESTS)
    store.save(record(2, status="failed", reason="no luck", scores={}, curve=()))
    return store
