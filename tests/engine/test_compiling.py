"""Compiled layers compute what the same layers compute uncompiled, and compiling has seconds of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from bench.contracts import Cell
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.runs.record import Record

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.filterwarnings("ignore:::torch", "ignore::DeprecationWarning"),  # of the compiler itself
]

MakeCell = Callable[..., Cell]


def test_compiled_equals_uncompiled(toy_cell: MakeCell, toy_context: RunContext) -> None:
    recipe = replace(toy_cell("top-layers").recipe, dropout=0.0, encoder_dropout=0.0)
    cells = [replace(toy_cell("top-layers"), recipe=recipe, seed=seed) for seed in (0, 1)]
    plain = _run(cells[0], toy_context)
    compiled, again = (_run(cell, replace(toy_context, compiled=True)) for cell in cells)
    losses = torch.tensor([[point.loss for point in record.curve] for record in (plain, compiled)])
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    assert plain.seconds.compile == 0 < compiled.seconds.compile
    assert again.seconds.compile < compiled.seconds.compile / 5  # what is compiled serves the next cell


def _run(cell: Cell, context: RunContext) -> Record:
    return run_cell(cell, prepare_group(cell, context), context, lambda _: None)[0]
