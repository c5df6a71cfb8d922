"""The time left of recorded runs that several workers share, on one machine or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from tests.support.replay import Event, Plan, Told, baseline, on_screen, on_workers

BASELINES = Path(__file__).parents[2] / "results" / "baselines"
REGISTRY = Registry(discover())
TOKENS = {"movie-sentiment": 28, "reuters-r8": 43, "financial-ner": 37, "squad": 121}
WORKLOAD = Workload(REGISTRY, RowsRead(lengths={task: (Length(tokens),) for task, tokens in TOKENS.items()}))
RECORDS = {name: baseline(BASELINES / f"{name}.jsonl", "minilm") for name in ("gate", "quick", "reference")}
NEAR = 0.05
"""The share of the whole run by which an estimate of several workers may be wrong: what a cell in flight takes, and
which worker takes the next, is not known."""


def told(events: Sequence[Event], factor: float, monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """What the screen says. factor: by which the plan is wrong."""
    return on_screen(events, Plan(WORKLOAD, factor=lambda _: factor), monkeypatch)


def near_of(events: Sequence[Event], workers: int) -> float:
    """Seconds by which an estimate may be wrong, whatever its factor: none for one worker."""
    return NEAR * events[-1].at if workers > 1 else 0.0


def within(found: Told, factor: float, near: float) -> bool:
    return found.true / factor - near <= found.left <= found.true * factor + near


@pytest.mark.parametrize("factor", [1 / 30, 1.0, 30.0])
@pytest.mark.parametrize("in_jobs", [False, True], ids=["processes", "ray"])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("name", RECORDS)
def test_workers_that_share_a_run_are_told_as_one_is(
    name: str, workers: int, in_jobs: bool, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = on_workers(RECORDS[name], REGISTRY, workers, in_jobs)
    jobs, near = max(event.job for event in events), near_of(events, workers)
    for item in told(events, factor, monkeypatch):
        assert within(item, 1.3 if item.jobs >= jobs / 3 else 2, near), item


def test_a_fixed_number_of_workers_shares_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, *_ = told(on_workers(RECORDS["quick"], REGISTRY, 1, True), 1.0, monkeypatch)
    four, *_ = told(on_workers(RECORDS["quick"], REGISTRY, 4, True), 1.0, monkeypatch)
    assert four.true < alone.true / 2
    assert four.left < alone.left / 2
