"""The rate of every block in every phase, to the digit, for every strategy of the project.

Written out from the papers' descriptions for an encoder of four layers: the embeddings, the layers from the bottom,
and the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.contracts import Cell, Recipe
from bench.engine.cell import build
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.registry import Plugins, discover

BLOCKS = ("embeddings.word_embeddings.weight", *(f"layers.{layer}.output.dense.weight" for layer in range(4)))
BIASES = tuple(f"{name.rpartition('.')[0]}.bias" for name in BLOCKS[1:])
NORMS = ("embeddings.LayerNorm.weight", *(f"layers.{layer}.output.LayerNorm.weight" for layer in range(4)))
LOW_RANK = tuple(f"layers.{layer}.output.dense.lora_A.default.weight" for layer in range(4))
SCALES = tuple(f"layers.{layer}.output.dense.ia3_l.default" for layer in range(4))
BOTTLENECKS = tuple(f"layers.{layer}.output.dense.adapter.0.weight" for layer in range(4))

Rates = tuple[float, ...]
RATES: dict[str, list[tuple[Rates, float]]] = {
    "frozen": [((0, 0, 0, 0, 0), 1e-2)],
    "full": [((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3)],
    "auto-freeze": [((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3)],
    "scratch": [((5e-4, 5e-4, 5e-4, 5e-4, 5e-4), 1e-3)],
    "tapt": [((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3), ((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3)],
    "setfit": [((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3), ((0, 0, 0, 0, 0), 1e-3)],
    "probe": [((0, 0, 0, 0, 0), 1e-3)],
    "surgical": [((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3)],
    "top-layers": [((0, 0, 0, 1e-4, 1e-4), 1e-3)],
    "lp-ft": [((0, 0, 0, 0, 0), 1e-2), ((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-4)],
    "layer-decay": [((0.4096e-4, 0.512e-4, 0.64e-4, 0.8e-4, 1e-4), 1e-3)],
    "gradual": [
        ((0, 0, 0, 0, 0), 1e-3),
        ((0, 0, 0, 0, 1e-4), 1e-3),
        ((0, 0, 0.7225e-4, 0.85e-4, 1e-4), 1e-3),
        ((0.52200625e-4, 0.614125e-4, 0.7225e-4, 0.85e-4, 1e-4), 1e-3),
    ],
    "chain-thaw": [
        ((0, 0, 0, 0, 0), 1e-3),
        ((1e-4, 0, 0, 0, 0), 0),
        ((0, 1e-4, 0, 0, 0), 0),
        ((0, 0, 1e-4, 0, 0), 0),
        ((0, 0, 0, 1e-4, 0), 0),
        ((0, 0, 0, 0, 1e-4), 0),
        ((1e-4, 1e-4, 1e-4, 1e-4, 1e-4), 1e-3),
    ],
    "lora": [((0, 0, 0, 0, 0), 1e-3)],
    "qlora": [((0, 0, 0, 0, 0), 1e-3)],
    "rslora": [((0, 0, 0, 0, 0), 1e-3)],
    "dora": [((0, 0, 0, 0, 0), 1e-3)],
    "peft": [((0, 0, 0, 0, 0), 1e-3)],
    "ia3": [((0, 0, 0, 0, 0), 1e-3)],
    "adapter": [((0, 0, 0, 0, 0), 1e-3)],
    "bitfit": [((0, 0, 0, 0, 0), 1e-3)],
    "norm-tuning": [((0, 0, 0, 0, 0), 1e-3)],
}
"""By phase: the rates of the blocks' weights from the bottom to the top, and the head's."""

PARTS: dict[str, list[tuple[tuple[str, ...], float]]] = {
    "lora": [(LOW_RANK, 5e-4)],
    "qlora": [(LOW_RANK, 5e-4)],
    "rslora": [(LOW_RANK, 5e-4)],
    "dora": [(LOW_RANK, 5e-4)],
    "peft": [(LOW_RANK, 5e-4)],
    "ia3": [(SCALES, 1e-2)],
    "adapter": [(BOTTLENECKS, 5e-4), (NORMS[1:], 5e-4), (NORMS[:1], 0), (BIASES, 0)],
    "bitfit": [(BIASES, 1e-3), (NORMS, 0)],
    "norm-tuning": [(NORMS, 1e-3), (BIASES, 1e-3)],
}
"""What learns within blocks whose weights are frozen."""

OWN = sorted(n for n, cls in discover().strategies.items() if cls.__module__.startswith("strategies."))


def test_every_strategy_has_its_rates() -> None:
    assert sorted(RATES) == OWN


@pytest.mark.parametrize("name", RATES)
def test_every_block_has_its_rate_in_every_phase(name: str, plugins: Plugins) -> None:
    found = [
        (tuple(phase.rate(block) for block in BLOCKS), phase.rate("head.map.1.weight"))
        for phase in plugins.strategy(name).checked_phases(4)
    ]
    assert len(found) == len(RATES[name])
    for (blocks, head), (expected, expected_head) in zip(found, RATES[name], strict=True):
        assert blocks == pytest.approx(expected)
        assert head == pytest.approx(expected_head)


@pytest.mark.parametrize("name", PARTS)
def test_what_learns_within_frozen_blocks_has_its_rate(name: str, plugins: Plugins) -> None:
    (phase,) = plugins.strategy(name).checked_phases(4)
    for parameters, rate in PARTS[name]:
        assert [phase.rate(parameter) for parameter in parameters] == [rate] * len(parameters)


@pytest.mark.parametrize("name", ["layer-decay", "gradual", "lp-ft", "top-layers"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_plan_has_these_rates_times_the_recipes_scale(
    name: str, scale: float, toy_cell: Callable[..., Cell], toy_recipe: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell(name, recipe=replace(toy_recipe, rate_scale=scale))
    group: CellGroup = prepare_group(cell, toy_context)
    _, plan = build(cell, group, toy_context)
    for phase, (blocks, head) in zip(plan.phases, RATES[name], strict=True):
        planned = [phase.rates.get(block, 0.0) for block in (*BLOCKS, "head.map.1.weight")]
        assert planned == pytest.approx([rate * scale for rate in (*blocks, head)])
