"""The time left on the screen of a run whose folder another run works in too."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from bench.cli.display import Display
from bench.planning import beside
from bench.planning.beside import Beside
from bench.runs.folder import Store
from bench.runs.leases import this_process
from tests.planning.test_time_left_wrong_plan import WORKLOAD, steady
from tests.support.replay import Plan

RUN = steady([100.0] * 13)
KNOWN, *CELLS = (item.record for item in RUN)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(beside, "EVERY", 0.0)
    found = Store(tmp_path)
    found.begin("quick", [record.cell.id for record in CELLS])
    return found


@pytest.fixture
def screen(store: Store) -> Display:
    """Of a run of twelve cells of 100 s, the first of which has begun."""
    estimator = Plan(WORKLOAD).estimator()
    estimator.learn([KNOWN])
    found = Display(Console(file=io.StringIO(), width=10_000), store)
    found.begin([record.cell for record in CELLS], [], estimator)
    found.cell_started(CELLS[0].cell)
    return found


def elsewhere(store: Store, cell: str, ago: float = 0.0, job: str = "") -> Path:
    """A lease of the process that has started this one. job: the cell's own where it is not given."""
    other = psutil.Process(os.getppid())
    path = store.path / "claims" / cell
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = {**vars(this_process(job or cell)), "pid": other.pid, "began": other.create_time()}
    path.write_text(json.dumps({**owner, "since": time.time() - ago}))
    return path


def test_a_run_alone_does_all_cells(screen: Display) -> None:
    assert screen._seconds_left() == pytest.approx(1200, rel=0.02)


def test_another_run_is_another_worker(screen: Display, store: Store) -> None:
    elsewhere(store, CELLS[1].cell.id)
    assert screen._seconds_left() == pytest.approx(600, rel=0.02)


def test_a_job_of_the_other_run_counts_by_any_cell_that_is_also_wanted_here(
    screen: Display, store: Store
) -> None:
    """Leases are listed as text: one of a seed that was not asked for here may come first."""
    cell = CELLS[1].cell.id
    elsewhere(store, cell)
    elsewhere(store, f"{cell.rpartition('/')[0]}/seed100", job=cell)
    assert next(iter(store.running())) != cell
    assert screen._seconds_left() == pytest.approx(600, rel=0.02)


def test_what_the_other_run_has_taken_for_its_cell_is_not_left(screen: Display, store: Store) -> None:
    for record in (CELLS[0], *CELLS[2:]):
        screen.cell_done(record.model_copy(update={"status": "skipped", "reason": "not wanted"}))
    elsewhere(store, CELLS[1].cell.id, ago=60.0)
    assert screen._seconds_left() == pytest.approx(40, rel=0.05)


def test_cells_that_the_other_run_has_finished_are_not_left(screen: Display, store: Store) -> None:
    path = elsewhere(store, CELLS[1].cell.id)
    assert screen._seconds_left() == pytest.approx(600, rel=0.02)
    store.save(CELLS[1])
    path.unlink()
    elsewhere(store, CELLS[2].cell.id)
    assert screen._seconds_left() == pytest.approx(600, rel=0.02)  # eleven by two
    path = store.path / "claims" / CELLS[2].cell.id
    path.unlink()
    assert screen._seconds_left() == pytest.approx(1100, rel=0.02)  # the other has gone


def test_an_old_record_of_a_cell_that_runs_again_does_not_count(store: Store) -> None:
    store.save(CELLS[1])
    os.utime(store.record_path(CELLS[1].cell.id), (1e9, 1e9))
    elsewhere(store, CELLS[2].cell.id)
    assert not Beside(store).look([CELLS[1].cell.id]).finished


def test_the_folder_is_looked_at_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(beside, "EVERY", 10.0)
    found = Beside(store)
    assert not found.look([]).jobs
    elsewhere(store, CELLS[2].cell.id)
    now = 9.0
    assert not found.look([]).jobs
    now = 10.0
    assert found.look([]).jobs


def test_a_damaged_folder_ends_no_run(store: Store) -> None:
    (store.path / "claims").mkdir()
    (store.path / "claims" / "link").symlink_to(store.path)
    assert not Beside(store).look([]).jobs
