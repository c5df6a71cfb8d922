"""Compiled layers compute what the same layers compute uncompiled, and compiling has seconds of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from bench.contracts import Cell
from bench.data import ladder
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.workspace import Stretch, Workspace
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


def test_compiled_and_padded_equals_plain(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All layers share what is compiled: once for each length of the ladder, and at most once more for a layer
    whose input takes no gradient. Predictions, whose batches have many shapes, compile nothing."""
    recipe = replace(toy_cell().recipe, epochs=6, dropout=0.0, encoder_dropout=0.0)
    cell = toy_cell("full", recipe=recipe)
    plain = _run(cell, toy_context)
    monkeypatch.setattr(ladder, "RUNGS", (8, 10))  # texts of the toy task have at most 12 tokens
    torch._dynamo.reset()
    before = counters["stats"]["unique_graphs"]
    shapes: set[object] = set()
    real = Workspace.stretch

    def stretch(workspace: Workspace, *arguments: Any) -> Stretch:
        found = real(workspace, *arguments)
        shapes.update(found.shapes)
        return found

    monkeypatch.setattr(Workspace, "stretch", stretch)
    padded = replace(toy_context, device=replace(toy_context.device, few_shapes=True), compiled=True)
    compiled = _run(cell, padded)
    losses = torch.tensor([[point.loss for point in record.curve] for record in (plain, compiled)])
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    assert compiled.data
    assert plain.data
    assert compiled.data.padding > plain.data.padding
    assert len(shapes) > 1
    assert len(shapes) <= counters["stats"]["unique_graphs"] - before <= 2 * len(shapes)


def _run(cell: Cell, context: RunContext) -> Record:
    return run_cell(cell, prepare_group(cell, context), context, lambda _: None)[0]
