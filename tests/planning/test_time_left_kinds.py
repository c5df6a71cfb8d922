"""The time left of two more kinds of recorded runs: one task at several sizes, and cells that try learning rates.

Both were recorded in CPU seconds of one thread, on a machine that others used."""

from __future__ import annotations

import pytest

from bench.contracts import Recipe, Splits, TextExample
from bench.planning.rows_read import Length, RowsRead
from bench.planning.workload import Workload
from bench.registry import Registry, discover
from bench.runs.planned_work import PlannedWork
from tests.planning.test_time_left_status import told as told_by_status
from tests.support import recorded_runs
from tests.support.replay import Plan, Ran, off, told

REGISTRY = Registry(discover())
TOKENS = {"movie-sentiment": 28, "reuters-r8": 40}
RUNS = ("curve-reuters-cpu-seconds", "tuned-cpu-seconds")
ROW = TextExample("1", "a text", "a")


def run_of(name: str) -> list[Ran]:
    """The run as it happened; seeds that train together end at once, and are one job."""
    found: list[Ran] = []
    job = 0
    for item in recorded_runs.load(name):
        kind = item.record.cell.id.rpartition("/")[0]
        is_next = bool(found) and found[-1].record.cell.id.startswith(f"{kind}/")
        job += not (is_next and item.record.cell.strategy == "frozen")
        found.append(Ran(item.record, item.wall, job))
    return found


def workload_of(name: str) -> Workload:
    """The plan of a launch that has counted the rows of every task, and their tokens."""
    rows = RowsRead(lengths={task: (Length(tokens),) for task, tokens in TOKENS.items()})
    recipes: dict[str, Recipe] = {
        item.record.cell.task: item.record.cell.recipe for item in recorded_runs.load(name)
    }
    for task, (train, validation, test) in recorded_runs.rows(name).items():
        rows.add(task, recipes[task], Splits([ROW] * train, [ROW] * validation, [ROW] * test))
    return Workload(REGISTRY, rows)


def third(run: list[Ran]) -> int:
    """The place of the cell with which a third of the jobs is done."""
    last = -(-run[-1].job // 3)
    return max(place for place, item in enumerate(run) if item.job == last)


@pytest.mark.parametrize("factor", [1 / 30, 0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("name", RUNS)
def test_the_time_left_is_within_two_after_the_first_cell_and_1_3_after_a_third(
    name: str, factor: float
) -> None:
    """factor: by which the plan is wrong."""
    run = run_of(name)
    wrong = off(told(run, Plan(workload_of(name), factor=lambda _: factor)))
    assert max(wrong) < 2
    assert max(wrong[third(run) :]) < 1.3


@pytest.mark.parametrize("name", RUNS)
def test_status_tells_it_as_well(name: str) -> None:
    run, workload = run_of(name), workload_of(name)
    cells = [item.record.cell for item in run]
    work = PlannedWork(
        cells={
            cell.id.rpartition("/")[0]: (workload.operations(cell), workload.prefix(cell)) for cell in cells
        }
    )
    ratios = [ratio for ratio in told_by_status(run, work) if ratio]
    assert len(ratios) == len(run) - 1
    assert max(off(ratios)) < 2
    assert max(off(ratios)[third(run) :]) < 1.3


def test_a_task_at_another_size_says_more_than_the_plan() -> None:
    name = RUNS[0]
    run, workload = run_of(name), workload_of(name)
    smallest = run[0].record.cell.task
    estimator = Plan(workload, factor=lambda _: 1.4).estimator()
    begun = set()
    for item in run:
        if item.record.cell.task == smallest:
            group = item.record.cell.task, item.record.cell.backbone
            estimator.observe(item.record, item.wall, group not in begun)
            begun.add(group)
    later = [item for item in run if item.record.cell.task != smallest]
    true = sum(item.wall for item in later)
    assert true / 1.3 < estimator.total(item.record.cell for item in later) < true * 1.3
