"""What `plan --compile` says: whether compiling layers pays for a suite, as measured on this device."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.planning.compiled import CompiledCheck, CompiledStep, advice, read
from bench.registry import Plugins, Registry

MakeCell = Callable[..., Cell]
STEP = CompiledStep("minilm-size", 6, 384, plain=2e-3, compiled=1.5e-3, capture=0.25, setup=5.25)
CHECK = CompiledCheck("NVIDIA H200", (STEP,))


@pytest.fixture
def registry(plugins: Plugins, tmp_path: Path) -> Registry:
    return Registry(plugins, Sources(cache=tmp_path))


def long(cell: Cell, epochs: float) -> Cell:
    return replace(cell, recipe=replace(cell.recipe, epochs=epochs, max_length=64))


@pytest.mark.parametrize(
    "checks", [[], [CHECK], [CompiledCheck("NVIDIA A10", (), "triton is not installed")]]
)
def test_what_was_not_measured_here_is_said_to_be_unknown(
    checks: list[CompiledCheck], toy_cell: MakeCell, registry: Registry
) -> None:
    found = advice([toy_cell("full")], registry, "NVIDIA A10", checks)
    assert "not measured on this device, NVIDIA A10" in found
    assert "make gpu-check" in found
    assert ("triton" in found) == any(check.reason for check in checks)


def test_many_steps_pay_and_few_do_not(toy_cell: MakeCell, registry: Registry) -> None:
    """48 rows in batches of 8: six steps an epoch, each 0.5 ms shorter; four lengths, five seconds each."""
    found = [
        advice([long(toy_cell("full"), epochs)], registry, CHECK.device, [CHECK]) for epochs in (10, 100_000)
    ]
    assert "1.50 ms instead of 2.00" in found[0]
    assert "5.0 s more to set up" in found[0]
    assert "does not pay" in found[0]
    assert "--compile pays" in found[1]
    assert "4 lengths 20 s more" in found[1]


def test_a_slower_step_never_pays(toy_cell: MakeCell, registry: Registry) -> None:
    slower = CompiledCheck("NVIDIA A10", (replace(STEP, compiled=3e-3),))
    found = advice([long(toy_cell("full"), 100_000)], registry, "NVIDIA A10", [slower])
    assert "does not pay" in found


def test_on_a_cpu_nothing_is_to_be_measured(toy_cell: MakeCell, registry: Registry) -> None:
    found = advice(
        [toy_cell("full")], registry, "cpu", [CompiledCheck("cpu", (), "on a CPU they did not pay")]
    )
    assert "leave --compile off" in found
    assert "gpu-check" not in found


def test_lengths_are_set_up_once_for_all_strategies_and_seeds(toy_cell: MakeCell, registry: Registry) -> None:
    cells = [long(toy_cell(name, seed=seed), 1000) for name in ("full", "top-layers") for seed in (0, 1)]
    assert "4 lengths 20 s more" in advice(cells, registry, CHECK.device, [CHECK])


@pytest.mark.parametrize("strategy", ["frozen", "probe"])
def test_where_no_layer_learns_there_is_nothing_to_compile(
    strategy: str, toy_cell: MakeCell, registry: Registry
) -> None:
    assert "no layer learns" in advice([toy_cell(strategy)], registry, CHECK.device, [CHECK])


def test_the_encoder_of_the_nearest_size_speaks_for_a_backbone(
    toy_cell: MakeCell, registry: Registry
) -> None:
    large = replace(STEP, encoder="bert-base-size", layers=12, width=768)
    assert "a step of minilm-size" in advice(
        [toy_cell("full")], registry, "gpu", [CompiledCheck("gpu", (large, STEP))]
    )


def test_files_that_say_nothing_of_it_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_text(json.dumps({"machine": {}}))
    (tmp_path / "broken.json").write_text("{")
    assert read(tmp_path) == []
    assert read(tmp_path / "missing") == []
