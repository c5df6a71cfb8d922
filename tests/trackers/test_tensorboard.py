"""TensorBoard reads what was written, and a second look writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.runs.folder import Store
from bench.trackers.contract import tracker
from bench.trackers.follow import Copy
from tests.trackers.conftest import TESTS, record

pytest.importorskip("tensorboard")


def copied(store: Store) -> int:
    return Copy(store, tracker("tensorboard", store)).update()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own loader finds in a cell's folder."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("events.*"):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, round(value.simple_value, 3)))
    return found


def test_scores_seconds_curves_and_the_request_are_there(store: Store) -> None:
    assert copied(store) == 3
    found: dict[str, Any] = scalars(store.path / "tensorboard" / record(0).cell.id)
    assert found["test/f1"] == [(0, 0.5)]
    assert found["seconds/cold"] == [(0, 3.0)]
    assert found["curve/validation_f1"] == [(1, 0.1), (2, 0.2)]
    assert "request" in found


def test_looking_again_writes_nothing(store: Store) -> None:
    copied(store)
    before = sorted((store.path / "tensorboard").rglob("*"))
    assert copied(store) == 0
    assert sorted((store.path / "tensorboard").rglob("*")) == before


def test_a_cell_that_ran_again_replaces_its_files(store: Store) -> None:
    copied(store)
    store.save(record(0, scores={"test": {"f1": 0.625}}), TESTS)
    assert copied(store) == 1
    assert scalars(store.path / "tensorboard" / record(0).cell.id)["test/f1"] == [(0, 0.625)]
