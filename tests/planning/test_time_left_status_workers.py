"""The time left that `status` tells of recorded runs on several workers, most often in the middle of cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.runs.folder import Store
from tests.planning.test_time_left_workers import BASELINES, REGISTRY, WORKLOAD, near_of, within
from tests.support.replay import Told, baseline, on_workers
from tests.support.status_replay import on_disk

LOOKS = 40


@pytest.mark.parametrize("in_jobs", [False, True], ids=["processes", "ray"])
@pytest.mark.parametrize(
    ("name", "workers"), [("quick", 1), ("quick", 2), ("quick", 3), ("gate", 4), ("reference", 2)]
)
def test_status_is_within_two_after_the_first_job_and_1_3_after_a_third(
    name: str, workers: int, in_jobs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = baseline(BASELINES / f"{name}.jsonl", "minilm")
    events = on_workers(records, REGISTRY, workers, in_jobs)
    jobs, near = max(event.job for event in events), near_of(events, workers)
    for said in on_disk(events, WORKLOAD, Store(tmp_path), monkeypatch, LOOKS):
        if said.left is None:
            assert said.jobs == 0
            continue
        told = Told(said.jobs, said.left, said.true)
        assert within(told, 1.3 if said.jobs >= jobs / 3 else 2, near), (said.at, told)
