"""The ladder for lack of memory: the same numbers in smaller pieces, and every rung in the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Phase, Strategy
from bench.engine.attempt import Attempt, attempt
from bench.engine.cell import build
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.memory import Budget, Memory, _free, is_out_of_memory, most_at_once
from bench.engine.training import accumulate
from bench.registry import Plugins, Registry
from bench.runs.record import Record


@dataclass(frozen=True)
class Greedy(Strategy):
    """Everything learns, on a machine that has memory for `room` sequences at once in a training step."""

    name = "greedy"
    summary = "Runs out of memory above a batch size"
    room: int = 2

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-3),)),)

    def adapt(self, encoder: Any) -> None:
        def measure(_: Any, __: Any, given: dict[str, Any]) -> None:
            if torch.is_grad_enabled() and len(given["attention_mask"]) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        encoder.model.register_forward_pre_hook(measure, with_kwargs=True)


@pytest.fixture(scope="module")
def context(toy_context: RunContext, plugins: Plugins) -> RunContext:
    strategies = {**plugins.strategies, "greedy": Greedy, "greedy-always": GreedyAlways}
    return replace(
        toy_context, registry=Registry(Plugins(strategies, plugins.tasks), toy_context.registry.sources)
    )


@dataclass(frozen=True)
class GreedyAlways(Greedy):
    """As Greedy, in evaluation too."""

    name = "greedy-always"

    def adapt(self, encoder: Any) -> None:
        def measure(_: Any, __: Any, given: dict[str, Any]) -> None:
            if len(given["attention_mask"]) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        encoder.model.register_forward_pre_hook(measure, with_kwargs=True)


def tried(cell: Cell, context: RunContext) -> Record:
    terms = Attempt(prepare_group, watch=lambda *_: None, log=lambda *_: "")
    ((record, _),) = attempt([cell], context, terms)
    return record


def test_the_micro_batch_is_halved_until_it_fits(toy_cell: Callable[..., Cell], context: RunContext) -> None:
    record = tried(toy_cell("greedy"), context)
    assert record.status == "done"
    assert record.adaptations == ("micro-batch 2 of 8, accumulated, for lack of memory",)


def test_evaluation_runs_in_as_small_batches_as_training(
    toy_cell: Callable[..., Cell], context: RunContext
) -> None:
    record = tried(toy_cell("greedy-always"), context)
    assert record.status == "done"
    assert record.adaptations == ("micro-batch 2 of 8, accumulated, for lack of memory",)


def test_at_the_end_of_the_ladder_the_record_says_what_was_tried(
    toy_cell: Callable[..., Cell], context: RunContext
) -> None:
    record = tried(toy_cell("greedy", options=(("room", 0),)), context)
    assert record.status == "oom"
    assert record.reason == "out of memory: CUDA out of memory. Tried to allocate 20.00 GiB"
    assert record.adaptations == (
        "micro-batch 1 of 8, accumulated, for lack of memory",
        "prefix cache given up, for lack of memory",
    )


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_gradients_of_parts_add_up_to_those_of_the_whole(
    toy_cell: Callable[..., Cell], context: RunContext, task: str, micro_batch: int
) -> None:
    """Token losses too, whose parts hold different numbers of terms."""
    cell = toy_cell("full", task=task)
    group = prepare_group(cell, context)
    found = []
    for size in (0, micro_batch):
        model, plan = build(replace(cell, strategy="full"), group, context)
        model = replace(model, micro_batch=size)
        model.head.eval()  # no dropout: it draws other masks for other shapes
        loss = accumulate(model, group.splits["train"], np.arange(8), plan.phases[0])
        found.append((loss, {n: p.grad for n, p in model.parameters().items() if p.grad is not None}))
    (whole_loss, whole), (loss, parts) = found
    torch.testing.assert_close(loss, whole_loss, atol=1e-6, rtol=0)
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-6, rtol=0, msg=name)


def test_the_ladder_ends() -> None:
    memory, rungs = Memory.whole(8, torch.device("cuda")), []
    while memory:
        rungs.append((memory.micro_batch, memory.open))
        memory = memory.tighter()
    every = ("device", "memory", "file")
    assert rungs == [(8, every), (4, every), (2, every), (1, every), (1, every[1:]), (1, every[2:]), (1, ())]


def test_a_cpu_has_no_memory_beside_its_own() -> None:
    assert Memory.whole(1, torch.device("cpu")).open == ("memory", "file")


def test_a_budget_that_is_shared_runs_out_and_one_by_part_does_not() -> None:
    shared, each = Budget({"memory": 10}), Budget({"memory": 4}, shared=False)
    assert [shared.place(4) for _ in range(3)] == ["memory", "memory", None]
    assert [each.place(4) for _ in range(3)] == ["memory", "memory", "memory"]
    assert each.place(5) is None


def test_what_does_not_fit_goes_to_the_next_tier() -> None:
    budget = Budget({"device": 5, "memory": 5, "file": 100})
    assert [budget.place(4) for _ in range(4)] == ["device", "memory", "file", "file"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("x"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_without_a_cache_the_scores_are_the_same(toy_cell: Callable[..., Cell], context: RunContext) -> None:
    cell = toy_cell("frozen")
    scores = []
    for memory in (Memory(), Memory(given_up=3)):
        terms = replace(context, memory=memory)
        ((record, _),) = attempt(
            [cell], terms, Attempt(partial(_group, terms), lambda *_: None, lambda *_: "")
        )
        scores.append(record.scores)
    assert scores[0] == scores[1]


def _group(terms: RunContext, cell: Cell, _: RunContext) -> Any:
    return prepare_group(cell, terms)


def test_what_torch_holds_unused_on_a_gpu_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else the cache of a later group would shrink with what earlier cells have freed."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 20)
    gpu = Device(torch.device("cuda"), torch.bfloat16)
    assert _free("device", gpu, tmp_path) == 40


@pytest.mark.parametrize(("peak", "fitting"), [(10, 4), (25, 4), (26, 3), (60, 1), (1000, 1), (0, 4)])
def test_as_many_cells_train_at_once_as_fit_on_the_gpu(
    peak: int, fitting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into what is free there and what torch has taken already: 100 bytes. An unknown peak limits nothing."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (70, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 30)
    gpu, cpu = (Device(torch.device(kind), torch.float32) for kind in ("cuda", "cpu"))
    assert most_at_once(gpu, peak, 4) == fitting
    assert most_at_once(cpu, peak, 4) == 4
