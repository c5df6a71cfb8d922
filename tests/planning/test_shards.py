"""A suite in parts: groups stay together, the parts are even, and nothing is left out or done twice."""

from __future__ import annotations

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.planning.shards import Shard, divide, part
from bench.planning.workload import Workload
from bench.registry import Plugins, Registry


def grid(tasks: int, seeds: int, train: int = 1000) -> list[Cell]:
    return [
        Cell("s", f"task{task}", strategy, "glove", seed, Recipe(train=train))
        for task in range(tasks)
        for strategy in ("frozen", "full")
        for seed in range(seeds)
    ]


def even(cells: list[Cell]) -> dict[str, float]:
    return {cell.id: 1.0 for cell in cells}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_every_cell_is_in_exactly_one_shard(count: int) -> None:
    cells = grid(4, 3)
    shards = divide(cells, even(cells), count)
    assert sorted(cell for shard in shards for cell in shard) == sorted(cell.id for cell in cells)


def test_groups_stay_together_where_they_are_small() -> None:
    cells = grid(6, 2)
    shards = divide(cells, even(cells), 3)
    homes = {cell.group_key: {i for i, shard in enumerate(shards) if cell.id in shard} for cell in cells}
    assert all(len(found) == 1 for found in homes.values())
    assert [len(shard) for shard in shards] == [8, 8, 8]


def test_a_group_larger_than_a_share_is_divided_evenly() -> None:
    cells = grid(1, 6)
    assert [len(shard) for shard in divide(cells, even(cells), 3)] == [4, 4, 4]


def test_shards_are_even_in_cost_rather_than_in_number() -> None:
    cells = [*grid(1, 2, train=1000), *(Cell("s", "big", "full", "glove", 0, Recipe(train=4000)),)]
    costs = {cell.id: float(cell.recipe.train or 0) for cell in cells}
    assert sorted(len(shard) for shard in divide(cells, costs, 2)) == [1, 4]


def test_no_shard_is_empty() -> None:
    cells = grid(1, 2)
    assert [len(shard) for shard in divide(cells, even(cells), 4)] == [1, 1, 1, 1]


def test_a_head_alone_costs_less_than_the_encoder(plugins: Plugins) -> None:
    workload = Workload(Registry(plugins))
    frozen, full = (
        Cell("s", "movie-sentiment", strategy, "minilm", 0, Recipe(train=1000))
        for strategy in ("frozen", "full")
    )
    assert workload.operations(frozen) < workload.operations(full) / 2


@pytest.mark.parametrize("strategy", ["adapter", "ia3", "dora", "bitfit", "norm-tuning"])
def test_what_learns_in_every_layer_costs_as_much_as_lora(strategy: str, plugins: Plugins) -> None:
    """Methods of PEFT insert parameters whose names the estimate learns from their patterns alone."""
    workload = Workload(Registry(plugins))
    lora, other = (
        Cell("s", "movie-sentiment", name, "minilm", 0, Recipe(train=1000)) for name in ("lora", strategy)
    )
    assert workload.operations(other) == pytest.approx(workload.operations(lora), rel=0.1)


def test_more_shards_than_cells_are_refused(plugins: Plugins) -> None:
    with pytest.raises(BenchError) as error:
        part(grid(1, 2), Shard(1, 5), Registry(plugins))
    assert error.value.code == "more-shards-than-cells"


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/3/3", "-1/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(BenchError) as error:
        Shard.parse(text)
    assert error.value.code == "wrong-shard"
