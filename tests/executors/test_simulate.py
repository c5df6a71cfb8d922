"""The simulation keeps to the arithmetic of schedules, and follows the executors' own policy."""

from __future__ import annotations

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.executors.simulate import (
    DISPATCH,
    DRIVER,
    START,
    SimulatedCost,
    costs_of,
    grid,
    markdown,
    simulate,
)


def costs(tasks: int, seeds: int, cost: SimulatedCost) -> dict[Cell, SimulatedCost]:
    return {
        Cell("s", f"task{task}", "full", "tiny", seed, Recipe()): cost
        for task in range(tasks)
        for seed in range(seeds)
    }


def test_one_gpu_takes_the_sum_of_all_with_each_group_prepared_once() -> None:
    found = simulate(costs(3, 4, SimulatedCost(own=10.0, shared=5.0)), gpus=1)
    assert found.prepared == found.groups == 3
    assert found.makespan == pytest.approx(START + 3 * (5 + 40) + 12 * DRIVER + 11 * DISPATCH)


def test_as_many_gpus_as_groups_prepare_each_once() -> None:
    found = simulate(costs(4, 5, SimulatedCost(own=10.0, shared=5.0)), gpus=4)
    assert found.prepared == 4
    assert found.makespan == pytest.approx(START + 55 + 5 * DRIVER + 4 * DISPATCH + 3 * DRIVER)


def test_the_driver_takes_records_one_after_another() -> None:
    """A hundred workers have a record at the same moment."""
    found = simulate(costs(100, 1, SimulatedCost(own=10.0, shared=5.0)), gpus=100)
    assert found.makespan == pytest.approx(START + 15 + 100 * DRIVER)


def test_a_node_fetches_weights_and_rows_once_for_all_its_workers() -> None:
    one_node = simulate(costs(8, 5, SimulatedCost(own=10.0, shared=5.0)), gpus=8)
    assert (one_node.backbones_fetched, one_node.tasks_fetched) == (1, 8)
    two_nodes = simulate(costs(1, 64, SimulatedCost(own=10.0, shared=5.0)), gpus=16)
    assert two_nodes.prepared == 16
    assert (two_nodes.backbones_fetched, two_nodes.tasks_fetched) == (2, 2)


def test_more_gpus_than_groups_share_them() -> None:
    alone = simulate(costs(1, 8, SimulatedCost(own=10.0, shared=5.0)), gpus=1)
    shared = simulate(costs(1, 8, SimulatedCost(own=10.0, shared=5.0)), gpus=2)
    assert shared.prepared == 2
    assert shared.makespan < 0.65 * alone.makespan


@pytest.mark.parametrize("gpus", [1, 2, 7, 64])
def test_no_schedule_beats_the_bound_and_no_gpu_is_busy_for_longer_than_there_is(gpus: int) -> None:
    found = simulate(costs(5, 6, SimulatedCost(own=7.0, shared=3.0)), gpus)
    assert found.makespan >= found.bound
    assert found.utilisation <= 1


def test_a_grid_has_the_asked_number_of_cells_and_new_groups() -> None:
    made = grid(costs(2, 3, SimulatedCost(1.0, 1.0)), 20)
    assert len(made) == 20
    assert simulate(made, 1).groups == 7


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(BenchError) as error:
        costs_of([])
    assert error.value.code == "no-costs"


def test_the_table_has_a_row_a_number_of_gpus() -> None:
    rows = markdown([simulate(costs(2, 2, SimulatedCost(1.0, 1.0)), gpus) for gpus in (1, 2)]).splitlines()
    assert len(rows) == 4
    assert rows[3].startswith("| 2 | ")
