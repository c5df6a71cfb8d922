"""Which measurements are taken, in which order, and what an interruption costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError, Cell
from bench.engine.group import RunContext
from bench.executors.launch import check
from bench.peers import measuring
from bench.peers.measurement import SIDES, Clock, MeasurementJob, SideOutcome, job_key, read
from bench.planning.rows_read import RowsRead
from bench.runs.listeners import Silent
from bench.runs.record import Machine

MACHINE = Machine(device="cpu", dtype="float32", threads=1, processor="p", system="s")
OUTCOME = SideOutcome(clock=Clock(prepare=1.0, train=2.0, evaluate=3.0), score=0.5)
JOB = MeasurementJob(side="engine", cells=())

MakeCell = Callable[..., Cell]


def titles(jobs: list[MeasurementJob]) -> list[tuple[str, int, str]]:
    return [(job.cells[0].strategy, job.cells[0].seed, job.side) for job in jobs if len(job.cells) == 1]


def test_rounds_alternate_the_order_of_the_sides(toy_cell: MakeCell) -> None:
    cells = [toy_cell("full", seed=seed) for seed in (0, 1)]
    jobs = measuring.jobs(cells, ("engine", "trainer"), JOB)
    assert titles(jobs) == [
        ("full", 0, "engine"),
        ("full", 0, "trainer"),
        ("full", 1, "trainer"),
        ("full", 1, "engine"),
    ]


def test_classifiers_stand_beside_frozen_alone(toy_cell: MakeCell) -> None:
    cells = [toy_cell("full"), toy_cell("frozen"), toy_cell("setfit")]
    jobs = measuring.jobs(cells, tuple(SIDES), JOB)
    sides = {
        strategy: {side for name, _, side in titles(jobs) if name == strategy}
        for strategy in ("full", "frozen", "setfit")
    }
    everyones = {"engine", "trainer", "trainer-tuned"}
    assert sides == {"full": everyones, "frozen": set(SIDES) - {"setfit"}, "setfit": everyones | {"setfit"}}


def test_a_task_with_several_strategies_is_also_run_as_a_suite(toy_cell: MakeCell) -> None:
    cells = [toy_cell(strategy, seed=seed) for strategy in ("full", "frozen") for seed in (0, 1)]
    suites = [job.cells for job in measuring.jobs(cells, ("engine",), JOB) if len(job.cells) > 1]
    assert [[(cell.strategy, cell.seed) for cell in suite] for suite in suites] == [
        [(strategy, seed) for strategy in ("full", "frozen") for seed in range(first, first + 3)]
        for first in (0, 3)
    ]


def test_a_measurement_is_saved_when_it_is_taken_and_not_taken_again(
    toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell("full", seed=seed) for seed in (0, 1)]
    todo = measuring.jobs(cells, ("engine",), JOB)
    path = tmp_path / "peers.json"
    taken: list[int] = []

    def run(job: MeasurementJob) -> tuple[SideOutcome, str]:
        taken.append(job.cells[0].seed)
        if len(taken) == 2:
            raise KeyboardInterrupt
        return OUTCOME, ""

    monkeypatch.setattr(measuring, "run", run)
    for _ in range(2):
        start = measuring.begin(path, MACHINE, cells, {}, print)
        try:
            measuring.measure(todo, start, path, print)
        except KeyboardInterrupt:
            continue
    assert taken == [0, 1, 1]
    assert [m.seed for m in read(path).measurements] == [0, 1]


def test_a_failed_side_is_tried_again(
    toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell("full")]
    todo = measuring.jobs(cells, ("engine",), JOB)
    path = tmp_path / "peers.json"
    results = measuring.begin(path, MACHINE, cells, {}, print)
    monkeypatch.setattr(measuring, "run", lambda job: (None, "failed: no memory"))
    failed = measuring.measure(todo, results, path, print)
    monkeypatch.setattr(measuring, "run", lambda job: (OUTCOME, ""))
    (measurement,) = measuring.measure(todo, failed, path, print).measurements
    assert measurement.outcome == OUTCOME


@pytest.mark.parametrize("change", [{"commit": "1234"}, {"threads": 2}])
def test_measurements_of_another_machine_or_commit_are_not_mixed_in(
    change: dict[str, object], toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell("full")]
    path = tmp_path / "peers.json"
    monkeypatch.setattr(measuring, "run", lambda job: (OUTCOME, ""))
    todo = measuring.jobs(cells, ("engine",), JOB)
    measuring.measure(todo, measuring.begin(path, MACHINE, cells, {}, print), path, print)
    assert len(measuring.begin(path, MACHINE, cells, {}, print).measurements) == 1
    assert not measuring.begin(path, MACHINE.model_copy(update=change), cells, {}, print).measurements


def test_measurements_of_what_has_changed_are_taken_again_and_others_are_kept(
    toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell(strategy, seed=seed) for strategy in ("full", "frozen") for seed in (0, 1)]
    kinds = [cell.id.rpartition("/")[0] for cell in cells]
    path, terms = tmp_path / "peers.json", dict.fromkeys(kinds, "1")
    monkeypatch.setattr(measuring, "run", lambda job: (OUTCOME, ""))
    measuring.measure(
        measuring.jobs(cells, ("engine",), JOB),
        measuring.begin(path, MACHINE, cells, terms, print),
        path,
        print,
    )
    found = measuring.begin(path, MACHINE, cells, {**terms, kinds[0]: "2"}, print)
    assert {m.strategy for m in found.measurements} == {"frozen"}  # the suite has `full` in it
    assert len(measuring.begin(path, MACHINE, cells, terms, print).measurements) == 6


def test_terms_are_what_a_strategy_declares_and_the_rows(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell, rows = toy_cell("lora"), RowsRead()
    check([cell], toy_context.registry, Silent(), rows)

    def term(cell: Cell) -> str:
        (found,) = measuring.terms_of([cell], toy_context.registry, rows).values()
        return found

    first, other = term(cell), term(replace(cell, options=(("rank", 2),)))
    task, _, recipe, draw = cell.group_key
    rows.used[task, recipe, draw] = replace(rows.used[task, recipe, draw], digest="other")
    assert len({first, other, term(cell)}) == 3


def test_a_job_is_known_by_side_cell_and_software(toy_cell: MakeCell) -> None:
    job = JOB.model_copy(update={"cells": (toy_cell("full"),)})
    keys = {
        job_key(job, MACHINE, {}),
        job_key(job, MACHINE, {"accelerate": "1"}),
        job_key(job.model_copy(update={"side": "trainer"}), MACHINE, {}),
        job_key(job.model_copy(update={"cells": (toy_cell("full", seed=1),)}), MACHINE, {}),
    }
    assert len(keys) == 4
    assert job_key(job, MACHINE, {}) in keys


def test_word_vectors_have_no_peers(toy_cell: MakeCell) -> None:
    with pytest.raises(BenchError) as error:
        measuring.check([toy_cell("frozen", backbone="glove")], ("engine",))
    assert error.value.code == "peers-without-vectors"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text("{")
    with pytest.raises(BenchError) as error:
        read(path)
    assert error.value.code == "no-measurements"
