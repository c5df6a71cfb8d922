"""The same bits on one machine, whatever ran before, whatever the cache held."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.contracts import Cell
from bench.engine.cell import Tests, run_cell
from bench.engine.determinism import CUBLAS, is_deterministic, make_deterministic
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.memory import Memory, cache_budget
from bench.engine.prefix import Prefix, Storage


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


def predictions(cell: Cell, context: RunContext, *before: Cell) -> Tests:
    """The per-example columns of a cell that runs after others of its group."""
    group = prepare_group(cell, context)
    for other in before:
        run_cell(other, group, context, lambda _: None)
    torch.rand(3)  # somebody else drew from torch's own generator
    return run_cell(cell, group, context, lambda _: None)[1]


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("strategy", ["gradual", "frozen"])
def test_predictions_do_not_depend_on_what_ran_before(
    toy_cell: Callable[..., Cell], toy_context: RunContext, task: str, strategy: str
) -> None:
    cell = toy_cell(strategy, task=task)
    others = [toy_cell("top-layers", task=task), toy_cell("full", task=task), toy_cell("scratch", task=task)]
    assert predictions(cell, toy_context) == predictions(cell, toy_context, *others)


def kept(group: CellGroup, context: RunContext, *fills: tuple[int, ...]) -> dict[int, torch.Tensor]:
    """Activations at the boundaries, filled in this order."""
    budget = cache_budget(Memory(), context.device, 1, context.registry.sources.cache)
    head = group.prefix._head
    prefix = Prefix(group.given, group.splits, head, context.device, Storage(budget))
    for boundaries in fills:
        prefix.fill("train", boundaries)
    batch = group.splits["train"].batch(np.arange(len(group.splits["train"])))
    found = {boundary: prefix.gather("train", boundary, batch) for fill in fills for boundary in fill}
    return {boundary: tensor for boundary, tensor in found.items() if tensor is not None}


def test_activations_are_the_same_bits_from_a_kept_boundary_and_from_tokens(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    group = prepare_group(toy_cell(task="toy-ner"), toy_context)
    alone = kept(group, toy_context, (4,))
    after = kept(group, toy_context, (2,), (3, 4))
    assert torch.equal(alone[4], after[4])


def test_what_is_kept_does_not_depend_on_what_was_kept_before(toy_context: RunContext) -> None:
    budget = cache_budget(Memory(), toy_context.device, 10, toy_context.registry.sources.cache)
    assert {budget.place(2**20) for _ in range(10_000)} == {"memory"}


def test_a_cell_run_twice_gives_the_same_record(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    cell = replace(toy_cell("lp-ft"), seed=3)
    first, second = (
        run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda _: None) for _ in "ab"
    )
    assert first[1] == second[1]
    assert [point.loss for point in first[0].curve] == [point.loss for point in second[0].curve]


def test_every_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuBLAS by a setting of its workspace, unless the user has set it; cuDNN chooses no kernel by its speed."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.delenv(CUBLAS, raising=False)
    make_deterministic()
    assert os.environ[CUBLAS] == ":4096:8"
    assert not torch.backends.cudnn.benchmark
    assert is_deterministic()
    monkeypatch.setenv(CUBLAS, ":16:8")
    make_deterministic()
    assert os.environ[CUBLAS] == ":16:8"
