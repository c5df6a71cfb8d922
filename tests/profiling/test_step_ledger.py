"""The table of a step's time against what learns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.contracts import BenchError, Cell
from bench.engine.group import RunContext, prepare_group
from bench.profiling import step_ledger as ledger

MakeCell = Callable[..., Cell]


def test_every_strategy_takes_the_same_steps_and_the_parts_add_up(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cells = [toy_cell(name) for name in ("top-layers", "lora", "full")]
    group = prepare_group(cells[0], toy_context)
    lines = [line for cell in cells for line in ledger.lines_of(cell, group, toy_context)]
    ledger.measure(lines, group, cells[0], steps=2)
    table = ledger.table(lines, group, cells[0], toy_context)
    labels = [row.labels[0] for row in table.blocks[0].rows]
    assert labels == ["top-layers", "top-layers, prefix run in every step", "lora", "full"]
    assert {len(line.seconds) for line in lines} == {2 + ledger.WARM}
    shares = {line.label: line.trainable for line in lines}
    assert shares["lora"] < shares["top-layers"] < shares["full"] == 1
    assert table.blocks[0].rows[-1].entries[-1].value == 1


def test_what_takes_no_steps_is_refused(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("probe")
    with pytest.raises(BenchError, match="'probe' takes no steps"):
        ledger.lines_of(cell, prepare_group(cell, toy_context), toy_context)
