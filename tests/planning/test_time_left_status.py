"""The time left that `status` tells while recorded runs go on. It reads a run's folder alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.models.catalog import kind_of
from bench.planning.progress import remaining_seconds, summarise
from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.runs import planned_work
from bench.runs.folder import Store
from bench.runs.planned_work import NAME, NOTHING, PlannedWork
from bench.runs.record import Record
from tests.support.replay import Ran, a_third, baseline, in_order

BASELINES = Path(__file__).parents[2] / "results" / "baselines"
REGISTRY = Registry(discover())
TOKENS = {"movie-sentiment": 28, "reuters-r8": 43, "financial-ner": 37, "squad": 121}
WORKLOAD = Workload(REGISTRY, RowsRead(lengths={task: (Length(tokens),) for task, tokens in TOKENS.items()}))


def planned(records: Sequence[Record]) -> PlannedWork:
    """What a run of these cells would have noted."""
    return PlannedWork(
        cells={
            record.cell.id.rpartition("/")[0]: (
                WORKLOAD.operations(record.cell),
                WORKLOAD.prefix(record.cell),
            )
            for record in records
        }
    )


def told(run: Sequence[Ran], work: PlannedWork) -> list[float | None]:
    """After each cell but the last, the seconds that `status` says, over those that then remained."""
    found: list[float | None] = []
    for place in range(1, len(run)):
        missing = [item.record.cell.id for item in run[place:]]
        seconds = remaining_seconds(missing, [item.record for item in run[:place]], work)
        found.append(seconds and seconds / sum(item.wall for item in run[place:]))
    return found


@pytest.mark.parametrize("name", ["gate", "quick", "reference"])
def test_status_is_within_two_after_the_first_cell_and_1_3_after_a_third(name: str) -> None:
    run = in_order(baseline(BASELINES / f"{name}.jsonl"), REGISTRY)
    first = next(place for place, item in enumerate(run) if kind_of(item.record.cell.backbone) == "encoder")
    ratios = told(run, planned([item.record for item in run]))
    assert all(ratio is None for ratio in ratios[:first])
    for place, ratio in enumerate(ratios[first:], first):
        assert ratio is not None
        assert max(ratio, 1 / ratio) < (2 if place < a_third(run) else 1.3), (place, ratio)


def test_a_run_notes_what_its_cells_compute_and_adds_to_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"suite": "s", "cells": [], "grid": []}')
    planned_work.add(tmp_path, {"t/full/x/seed0": (123456.0, 0.0)})
    planned_work.add(tmp_path, {"t/frozen/x/seed0": (2.0, 1.0), "t/full/x/seed1": (200000.0, 0.0)})
    found = planned_work.read(tmp_path)
    assert found.of("t/full/x/seed7") == (200000.0, 0.0)
    assert found.of("t/frozen/x/seed0") == (2.0, 1.0)
    assert found.covers("t/frozen/x/seed3")
    assert not found.covers("u/frozen/x/seed3")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        '{"cells": {"t/full/x": [1]}}',
        '{"cells": {"t/full/x": ["a", 1]}}',
        '{"cells": {"t/full/x": [NaN, 1]}}',
        '{"cells": {"t/full/x": [1e999, 1]}}',
        '{"cells": {"t/full/x": [-1, 0]}}',
        '{"cells": {}, "more": 1}',
    ],
)
def test_a_file_that_is_not_what_was_written_is_passed_over(content: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(content)
    assert planned_work.read(tmp_path) == NOTHING


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"cells": {"t/full/x": [1, 0]}}')
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    assert planned_work.read(tmp_path) == NOTHING


# --------------------------------------------------------------------------------------------------
# Cells in flight, and cells that run again

QUICK = baseline(BASELINES / "quick.jsonl", "minilm")
NOW = 2e9


@dataclass
class Clock:
    now: float = NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "time", lambda: found.now)
    return found


def of(strategy: str) -> list[Record]:
    """The seeds of a strategy on the first task."""
    return [
        record
        for record in QUICK
        if (record.cell.task, record.cell.strategy) == (QUICK[0].cell.task, strategy)
    ]


def begun(folder: Path, done: Sequence[Record], left: Sequence[Record]) -> Store:
    store = Store(folder)
    store.begin("quick", [record.cell.id for record in (*done, *left)])
    for record in done:
        store.save(record)
    return store


def at_work(store: Store, *jobs: Sequence[Record]) -> None:
    """Lease the cells of each job, until this process ends."""
    for job in jobs:
        assert all(store.lease(record.cell.id, job[0].cell.id) for record in job)


def left(store: Store) -> float:
    remaining = summarise(store).remaining
    assert remaining is not None
    return remaining


def test_what_a_cell_in_flight_has_taken_is_not_left(tmp_path: Path, clock: Clock) -> None:
    full = of("full")
    store = begun(tmp_path, full[:2], full[2:])
    whole = left(store)
    at_work(store, full[2:])
    for elapsed, rest in ((0.0, 1.0), (0.4, 0.6), (0.9, 0.1), (5.0, 0.1)):
        clock.now = NOW + elapsed * whole
        assert left(store) == pytest.approx(rest * whole)


def test_two_workers_take_as_long_as_the_longer_of_their_last_cells(tmp_path: Path, clock: Clock) -> None:
    full, top = of("full"), of("top-layers")
    alone = begun(tmp_path / "alone", [*full[:2], *top[:2]], full[2:])
    both = begun(tmp_path / "both", [*full[:2], *top[:2]], [full[2], top[2]])
    at_work(both, [full[2]], [top[2]])
    assert left(both) == left(alone)


def test_seeds_that_train_together_are_one_job(tmp_path: Path, clock: Clock) -> None:
    frozen, full = of("frozen"), of("full")
    store = begun(tmp_path, full, frozen)
    alone = left(store)
    at_work(store, frozen)
    assert left(store) == pytest.approx(alone)


def test_seeds_on_several_devices_are_as_many_jobs(tmp_path: Path, clock: Clock) -> None:
    full, top = of("full"), of("top-layers")
    store = begun(tmp_path, top, full)
    alone = left(store)
    at_work(store, *([record] for record in full))
    assert left(store) == pytest.approx(alone / 3, rel=0.1)  # the first makes what they share


def test_seeds_that_train_together_have_taken_time_since_the_last_record(
    tmp_path: Path, clock: Clock
) -> None:
    frozen = of("frozen")
    store = begun(tmp_path, of("full"), frozen)
    at_work(store, frozen)
    clock.now += 1000
    os.utime(saved(store, frozen[0]), (clock.now, clock.now))
    release(store, frozen[0])
    before = left(store)
    clock.now += 0.1 * before
    assert left(store) == pytest.approx(0.9 * before)


def saved(store: Store, record: Record) -> Path:
    store.save(record)
    return store.record_path(record.cell.id)


def release(store: Store, record: Record) -> None:
    (store.path / "claims" / record.cell.id).unlink()


def test_a_lease_of_an_earlier_version_has_just_begun(tmp_path: Path, clock: Clock) -> None:
    full = of("full")
    store = begun(tmp_path, full[:2], full[2:])
    whole = left(store)
    at_work(store, full[2:])
    path = store.path / "claims" / full[2].cell.id
    value = json.loads(path.read_text())
    path.write_text(json.dumps({key: value[key] for key in ("host", "pid", "began")}))
    clock.now += 0.5 * whole
    assert left(store) == pytest.approx(whole)


def test_a_cell_that_runs_again_is_to_run(tmp_path: Path, clock: Clock) -> None:
    full = of("full")
    failed = full[2].model_copy(update={"status": "killed", "reason": "lost"})
    store = begun(tmp_path, [*full[:2], failed], [])
    assert (summarise(store).missing, len(summarise(store).failed)) == ([], 1)
    at_work(store, full[2:])
    found = summarise(store)
    assert (found.missing, found.failed, len(found.done)) == ([full[2].cell.id], {}, 2)
    assert found.remaining
    assert "2 of 3 cells done, 0 not, 1 to run" in found.text()
    assert "remaining: about" in found.text()


def test_a_fresh_run_runs_all_cells_again(tmp_path: Path, clock: Clock) -> None:
    """Those that it has not come to yet have the records of the run before."""
    full = of("full")
    store = begun(tmp_path, full, [])
    ids = [record.cell.id for record in full]
    planned_work.note_again(store.path, {cell: store.record_path(cell).stat().st_mtime_ns for cell in ids})
    assert summarise(store).missing == []  # nothing runs: the attempt has ended
    at_work(store, full[:1])
    assert summarise(store).missing == ids
    os.utime(saved(store, full[0]), (NOW, NOW))
    release(store, full[0])
    at_work(store, full[1:2])
    found = summarise(store)
    assert (found.done, found.missing) == (ids[:1], ids[1:])
    assert found.remaining
