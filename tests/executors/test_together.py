"""Seeds whose heads train together are one job, with a lease, a record and a status each, whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.contracts import Cell, Recipe
from bench.executors.contract import Work
from bench.executors.groups import Groups
from bench.executors.waiting import Held, Waiting
from bench.planning.progress import jobs_of
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Record
from tests.support.made_runs import MOMENTS, ToySuite, results
from tests.support.nasty import FOLDER

SEEDS = 3
MakeCell = Callable[..., Cell]


def cells(strategy: str) -> list[Cell]:
    return [Cell("s", "task", strategy, "tiny", seed, Recipe()) for seed in range(SEEDS)]


def test_seeds_that_train_together_come_together_and_others_one_by_one() -> None:
    heads, full = cells("frozen"), cells("full")
    groups = Groups([*heads, *full], together={cell.id for cell in heads})
    key = heads[0].group_key
    jobs = []
    while (found := groups.choose(key)) is not None:
        jobs.append(groups.pop_together(found))
    assert jobs == [heads, *([cell] for cell in full)]
    assert not groups


def taken(todo: list[Cell], store: Store) -> Held:
    work = Work(store, together=frozenset(cell.id for cell in todo))
    held = Waiting(todo, work, lambda _: None, Silent()).take(None)
    assert held is not None
    return held


def test_each_cell_of_a_job_has_a_lease_until_it_has_its_record(tmp_path: Path) -> None:
    store, todo = Store(tmp_path), cells("frozen")
    held = taken(todo, store)
    assert list(store.running()) == sorted(cell.id for cell in todo)
    assert len(set(store.running().values())) == 1
    assert held.finish(todo[0]) == todo[1]
    assert list(store.running()) == sorted(cell.id for cell in todo[1:])
    assert held.cell == todo[1]
    held.release()
    assert list(store.running()) == []


def test_cells_that_train_one_by_one_are_a_job_each(tmp_path: Path) -> None:
    store, todo = Store(tmp_path), cells("full")
    waiting = Waiting(todo, Work(store), lambda _: None, Silent())
    held = [waiting.take(None), waiting.take(None)]
    assert len(store.running()) == len(set(store.running().values())) == 2
    for job in held:
        assert job is not None
        job.release()


def test_seeds_that_another_process_has_are_left_to_it(tmp_path: Path) -> None:
    store, todo = Store(tmp_path), cells("frozen")
    elsewhere = store.lease(todo[1].id)
    assert elsewhere is not None
    held = taken(todo, store)
    assert held.cells == (todo[0], todo[2])
    held.release()
    elsewhere.release()


@pytest.mark.parametrize(
    ("strategy", "task", "together"),
    [
        ("frozen", "toy-sentiment", True),
        ("frozen", "toy-ner", False),
        ("probe", "toy-sentiment", False),
        ("lora", "toy-sentiment", False),
        ("scratch", "toy-sentiment", False),
        ("lp-ft", "toy-sentiment", False),
        ("top-layers", "toy-sentiment", False),
    ],
)
def test_it_follows_from_what_a_strategy_and_a_task_declare(
    strategy: str, task: str, together: bool, plugins: Plugins, toy_cell: MakeCell
) -> None:
    assert Registry(plugins).trains_together(toy_cell(strategy, task)) == together


class Run:
    """A run of `dies-together` and `full`."""

    def __init__(self, folder: Path, encoder: Path) -> None:
        self.suite = ToySuite.write(folder / "grid.toml", encoder, ("dies-together", "full"), seeds=SEEDS)
        self.folder, self.deaths = folder, folder / "deaths"

    def by_strategy(self, name: str, *more: str) -> dict[str, list[Record]]:
        """The records of a run of its own."""
        self.suite.finish_warm(self.folder / name, *more)
        found: dict[str, list[Record]] = {}
        for record in Store(self.folder / name).records():
            found.setdefault(record.cell.strategy, []).append(record)
        return found


@pytest.fixture
def run(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return Run(tmp_path, tiny_encoder)


def test_a_job_whose_worker_dies_once_runs_again_with_the_same_results(run: Run) -> None:
    run.suite.finish(run.folder / "undisturbed", "--executor", "inline")
    run.deaths.write_text("1")
    found = run.by_strategy("disturbed")
    assert [record.status for record in found["dies-together"]] == ["done"] * SEEDS
    notes = {record.adaptations for record in found["dies-together"]}
    assert notes == {("second attempt, after the worker was ended by SIGKILL",)}
    assert results(run.folder / "disturbed") == results(run.folder / "undisturbed")


@pytest.mark.parametrize(
    ("deaths", "status", "reason", "options"),
    [
        (9, "killed", "the worker was ended by SIGKILL, 2 times", ()),
        pytest.param(
            -1,
            "timeout",
            "it and 2 more that train with it took longer than 15 s",
            ("--timeout", "5"),
            marks=pytest.mark.skipif(not MOMENTS, reason="part of `make faults`"),
        ),
    ],
)
def test_every_seed_of_a_lost_job_has_its_reason_and_the_rest_goes_on(
    deaths: int, status: str, reason: str, options: tuple[str, ...], run: Run
) -> None:
    run.deaths.write_text(str(deaths))
    found = run.by_strategy("lost", *options)
    assert [record.status for record in found["dies-together"]] == [status] * SEEDS
    assert all(record.reason.startswith(reason) for record in found["dies-together"])
    assert {record.cell.seed for record in found["dies-together"]} == set(range(SEEDS))
    assert [record.status for record in found["full"]] == ["done"] * SEEDS
    assert list(Store(run.folder / "lost").running()) == []


def test_a_job_is_named_by_a_cell_that_it_has(tmp_path: Path) -> None:
    """Else the first record of the other process would count as one of this job, and its time would start again."""
    store, todo = Store(tmp_path), cells("frozen")
    elsewhere = store.lease(todo[0].id, todo[0].id)
    assert elsewhere is not None
    held = taken(todo, store)
    owners = store.running()
    assert {owners[cell.id].job for cell in held.cells} == {todo[1].id}
    held.release()
    elsewhere.release()


def test_the_record_of_another_process_does_not_reset_the_time_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, todo = Store(tmp_path), cells("frozen")
    elsewhere = store.lease(todo[0].id, todo[0].id)
    assert elsewhere is not None
    held = taken(todo, store)
    store.save(Record(cell=todo[0], fingerprint="", status="skipped", reason="not wanted"))
    elsewhere.release()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100)
    os.utime(store.record_path(todo[0].id), (now + 90, now + 90))
    (job,) = jobs_of(store, store.running())
    assert job.elapsed == pytest.approx(100, abs=5)
    held.release()
