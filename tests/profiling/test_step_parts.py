"""What a step is without one of its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.contracts import Cell
from bench.data.batches import shuffled
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.workspace import backward
from bench.models.dropout import Masks
from bench.profiling import step_parts
from bench.profiling.step_ledger import StrategySteps, lines_of

MakeCell = Callable[..., Cell]


class Operations(TorchDispatchMode):
    """The names of all operations that run in the block, backward pass included."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))

    def count(self, *parts: str) -> int:
        return sum(any(part in name for part in parts) for name in self.names)


@pytest.fixture
def line(toy_cell: MakeCell, toy_context: RunContext) -> tuple[StrategySteps, CellGroup, Cell]:
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, encoder_dropout=0.1))
    group = prepare_group(cell, toy_context)
    return lines_of(cell, group, toy_context)[0], group, cell


def taken(line: StrategySteps, group: CellGroup, cell: Cell, name: str) -> Operations:
    """A step without the part of this name."""
    part = next(part for part in step_parts.PARTS if part.name == name)
    split = group.splits["train"]
    batch = split.batch(next(shuffled(split.lengths, cell.recipe.batch_size, seed=0)))
    with part.without(line), Operations() as seen:
        backward(line.model, [batch], line.phase)
        line.optimizer.step(1.0)
    return seen


@pytest.mark.parametrize(
    ("name", "kernels"),
    [
        ("norms", ("native_layer_norm",)),
        ("activation functions", ("gelu",)),
        ("attention between its projections", ("aten._softmax", "scaled_dot", "aten.bmm")),
        ("AdamW", ("_fused_adamw",)),
        ("moving gradients into one vector", ("_foreach_copy",)),
        (
            "the optimizer: moving gradients, their norm and AdamW",
            ("_fused_adamw", "_foreach_copy", "aten.dot"),
        ),
    ],
)
def test_a_step_without_a_part_runs_none_of_its_kernels_and_all_products(
    name: str, kernels: tuple[str, ...], line: tuple[StrategySteps, CellGroup, Cell]
) -> None:
    whole, less = taken(*line, ""), taken(*line, name)
    assert whole.count(*kernels)
    assert not less.count(*kernels)
    products = ("aten.mm", "aten.addmm")
    assert less.count(*products) == whole.count(*products)
    assert taken(*line, "").count(*kernels) == whole.count(*kernels), "what was left out is back"


def test_a_step_without_dropout_draws_no_mask(
    line: tuple[StrategySteps, CellGroup, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(Masks, "draw", drawn)
    taken(*line, "dropout")
    with pytest.raises(LookupError):
        taken(*line, "")


def test_every_part_is_measured_and_the_model_is_left_as_it_was(
    line: tuple[StrategySteps, CellGroup, Cell],
) -> None:
    before = [state.clone() for state in line[0].optimizer.state()]
    seconds = step_parts.measure(*line, steps=2)
    assert list(seconds) == [part.name for part in step_parts.PARTS]
    assert all(torch.equal(a, b) for a, b in zip(before, line[0].optimizer.state(), strict=True))
    first, *rest = step_parts.rows({"": 2.0, "norms": 1.5, "dropout": 0.5})
    assert first.entries[0].value == 2000
    assert [(row.labels, row.entries[1].value) for row in rest] == [
        (("without dropout",), 0.75),
        (("without norms",), 0.25),
    ]
