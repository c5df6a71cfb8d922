"""The memory of seeds that train on a GPU at once, before they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.forecast import as_dict
from bench.contracts import Cell
from bench.data.sources import Sources
from bench.planning.at_once import AtOnce, advice, at_once
from bench.planning.forecast import forecast
from bench.planning.workload import PROCESS, Workload
from bench.registry import Plugins, Registry

MIB = 2**20
MakeCell = Callable[..., Cell]


@pytest.fixture
def workload(plugins: Plugins, tmp_path: Path) -> Workload:
    return Workload(Registry(plugins, Sources(cache=tmp_path)))


def seeds(make: MakeCell, count: int, strategy: str = "full", **changes: object) -> list[Cell]:
    return [make(strategy, seed=seed, **changes) for seed in range(count)]


def test_each_further_seed_takes_what_the_first_takes_but_the_process(
    workload: Workload, toy_cell: MakeCell
) -> None:
    one, two, three = (workload.memory(toy_cell("full"), count) for count in (1, 2, 3))
    assert three - two == two - one == one - PROCESS > 0


@pytest.mark.parametrize(
    ("strategy", "count", "per_device", "expected"),
    [
        ("full", 5, 4, 4),
        ("full", 3, 4, 2),  # the first trains alone
        ("full", 2, 4, 1),
        ("full", 5, 1, 1),
        ("gradual", 9, 4, 4),
        ("frozen", 5, 4, 1),  # its heads train in one computation
        ("probe", 5, 4, 1),  # its head is solved for
        ("setfit", 5, 4, 1),  # so is its, after steps on pairs
        ("tapt", 5, 4, 4),
    ],
)
def test_as_many_seeds_train_at_once_as_the_run_would_train(
    strategy: str, count: int, per_device: int, expected: int, workload: Workload, toy_cell: MakeCell
) -> None:
    found = at_once(seeds(toy_cell, count, strategy), 2 * PROCESS, workload, per_device)
    assert found.seeds == expected


def test_seeds_with_rows_of_their_own_train_alone(workload: Workload, toy_cell: MakeCell) -> None:
    drawn = replace(toy_cell().recipe, resample="train")
    assert at_once(seeds(toy_cell, 5, recipe=drawn), 2 * PROCESS, workload, 4).seeds == 1


def test_what_was_recorded_counts_but_for_the_process(workload: Workload, toy_cell: MakeCell) -> None:
    """A further seed takes no more than the whole. A GPU's record holds no process."""
    cells, planned = seeds(toy_cell, 5), workload.memory(toy_cell("full")) - PROCESS
    assert at_once(cells, 9 * PROCESS, workload, 4).more == 8 * PROCESS
    assert at_once(cells, planned // 2, workload, 4).more == planned // 2
    assert at_once(cells, 9 * PROCESS, workload, 4, process=0).more == 9 * PROCESS


def test_as_many_fit_as_there_is_memory_for() -> None:
    found = AtOnce(seeds=4, alone=300, more=100)
    assert found.memory == 600
    assert [found.fitting(size) for size in (10_000, 600, 599, 400, 399, 100, 0)] == [4, 4, 3, 2, 1, 1, 1]


def test_the_advice_names_the_largest_and_compares_it_with_the_gpu() -> None:
    found = [
        ("toy/full/tiny", AtOnce(4, 300 * MIB, 100 * MIB)),
        ("toy/lora/tiny", AtOnce(4, 200 * MIB, 50 * MIB)),
        ("toy/frozen/tiny", AtOnce(1, 900 * MIB, 900 * MIB)),
    ]
    start = (
        "--per-device 4: up to 4 seeds at once, after the first of them; at most about 600 MiB (4 seeds of "
        "toy/full/tiny; one alone 300 MiB); "
    )
    assert advice(found, 4, None) == f"{start}there is no GPU here to compare that with"
    assert advice(found, 4, ("Abacus", 1024 * MIB)) == f"{start}Abacus has 1,024 MiB, so they fit"
    assert advice(found, 4, ("Abacus", 450 * MIB)) == (
        f"{start}Abacus has 450 MiB, so fewer will train at once: 2 of 4 seeds of toy/full/tiny"
    )
    assert "each trains alone" in advice(found[2:], 4, None)


def test_a_forecast_has_it_for_every_cell(plugins: Plugins, toy_cell: MakeCell, tmp_path: Path) -> None:
    registry = Registry(plugins, Sources(cache=tmp_path))
    cells = [*seeds(toy_cell, 5), *seeds(toy_cell, 5, "frozen")]
    (full, frozen) = forecast(cells, registry, tmp_path / "run", per_device=4).rows
    assert (full.at_once.seeds, frozen.at_once.seeds) == (4, 1)
    assert full.at_once.alone == full.each.memory
    assert full.at_once.memory > full.each.memory
    shown = as_dict(forecast(cells, registry, tmp_path / "run", per_device=4))["cells"]
    assert [cell.get("at_once") for cell in shown] == [*[4] * 5, *[None] * 5]
    assert "at_once" not in as_dict(forecast(cells, registry, tmp_path / "run"))["cells"][0]
