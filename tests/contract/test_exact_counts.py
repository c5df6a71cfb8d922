"""How many parameters learn, to the last one, for every strategy of the project.

Counted by hand for BERT's architecture (Devlin et al. 2019) in the sizes of the tests' encoder: width 32, four
layers, a feed-forward sublayer of 64, and a linear head with two labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.contracts import Cell
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.registry import discover

WIDTH, INNER, LAYERS, POSITIONS, SEGMENTS, RANK, ADAPTER = 32, 64, 4, 64, 2, 8, 64
NORM = 2 * WIDTH
MAPS = [*[(WIDTH, WIDTH)] * 4, (WIDTH, INNER), (INNER, WIDTH)]
"""Inputs and outputs of the linear maps of a layer."""
LAYER = sum((inputs + 1) * outputs for inputs, outputs in MAPS) + 2 * NORM
HEAD = 2 * (WIDTH + 1)
LOW_RANK = LAYERS * sum(RANK * (inputs + outputs) for inputs, outputs in MAPS)
OUTPUTS = LAYERS * sum(outputs for _, outputs in MAPS)
BIASES = OUTPUTS + LAYERS * 2 * WIDTH + WIDTH
NORMS = (2 * LAYERS + 1) * NORM
BOTTLENECKS = LAYERS * 2 * (WIDTH * ADAPTER + ADAPTER + ADAPTER * WIDTH + WIDTH)
SCALES = LAYERS * (4 * WIDTH + INNER + INNER)
"""IA3 scales the outputs of every map but the last, of which it scales the inputs."""

EVERYTHING = (
    "full",
    "scratch",
    "gradual",
    "chain-thaw",
    "layer-decay",
    "lp-ft",
    "setfit",
    "tapt",
    "auto-freeze",
)
PARTS = {
    "frozen": 0,
    "probe": 0,
    "top-layers": 2 * LAYER,
    "lora": LOW_RANK,
    "rslora": LOW_RANK,
    "dora": LOW_RANK + OUTPUTS,
    "ia3": SCALES,
    "bitfit": BIASES,
    "norm-tuning": NORMS + OUTPUTS,
    "adapter": BOTTLENECKS + LAYERS * 2 * NORM,
}
INSERTED = {
    "lora": LOW_RANK,
    "rslora": LOW_RANK,
    "dora": LOW_RANK + OUTPUTS,
    "ia3": SCALES,
    "adapter": BOTTLENECKS,
}
OWN = sorted(
    name
    for name, cls in discover().strategies.items()
    if not cls.needs and cls.__module__.startswith("strategies.")
)


@pytest.fixture(scope="module")
def group(toy_cell: Callable[..., Cell], toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), toy_context)


def encoder_size(group: CellGroup) -> int:
    """Of the whole encoder: the table as it was given, not as it is trimmed."""
    table = group.loaded.vocabulary
    return (table + POSITIONS + SEGMENTS) * WIDTH + NORM + LAYERS * LAYER


def test_the_table_of_the_tests_is_trimmed(group: CellGroup) -> None:
    """Else the counts below would not tell the whole table from the trimmed one."""
    assert group.given.rows < group.loaded.vocabulary


def test_every_strategy_has_its_count() -> None:
    assert set(OWN) <= {*EVERYTHING, *PARTS, "peft", "surgical"}


@pytest.mark.parametrize("name", [name for name in OWN if name not in ("peft", "surgical")])
def test_the_record_counts_what_learns(
    name: str, toy_cell: Callable[..., Cell], toy_context: RunContext, group: CellGroup
) -> None:
    record, _ = run_cell(toy_cell(name), group, toy_context, lambda point: None)
    whole = encoder_size(group)
    assert record.trainable == (whole if name in EVERYTHING else PARTS[name]) + HEAD
    assert record.parameters == whole + INSERTED.get(name, 0) + HEAD
    assert record.weights == toy_context.registry.weights(record.cell.backbone) != ""


@pytest.mark.parametrize("block", [0, 1, -1])
def test_one_block_by_hand(
    block: int, toy_cell: Callable[..., Cell], toy_context: RunContext, group: CellGroup
) -> None:
    cell = toy_cell("surgical", options=(("block", block),))
    record, _ = run_cell(cell, group, toy_context, lambda point: None)
    embeddings = encoder_size(group) - LAYERS * LAYER
    assert record.trainable == (LAYER if block else embeddings) + HEAD
