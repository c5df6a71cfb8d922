"""A whole cell on a device of its own, checked without a GPU: on tensors that hold their values on the CPU and
refuse those of the CPU beside them (`tests.support.card`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.optim import adam

from bench.contracts import Cell
from bench.engine import memory, pretraining, solving
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.speeds import Speeds
from bench.models import attention
from tests.support.card import META, Card, Mixed

CARD = Device(META, torch.bfloat16, few_shapes=True)


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card has memory for a prefix cache, torch takes its tensors, and nobody measures its speed."""
    monkeypatch.setattr(memory, "tiers", lambda _: ("device", "memory", "file"))
    monkeypatch.setattr(memory, "_free", lambda *_: 10**9)
    monkeypatch.setattr(adam, "_device_dtype_check_for_fused", lambda *_, **__: None)
    monkeypatch.setattr(Speeds, "gemm", lambda _: 1e9)
    monkeypatch.setattr(Speeds, "attention", lambda *_: attention.PLAIN)
    monkeypatch.setattr(solving, "ITERATIONS", 2)
    monkeypatch.setattr(pretraining, "_precision", lambda _: nullcontext())  # there is no autocast for it
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # nor are there tensors without a version
    real = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda *_: real())


@pytest.mark.parametrize("strategy", ["full", "frozen", "probe", "tapt", "setfit", "surgical", "auto-freeze"])
def test_a_cell_mixes_no_devices(
    strategy: str, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """What is measured of its model included."""
    measured = strategy == "full"
    recipe = replace(
        toy_cell().recipe,
        train=16,
        validation=8,
        test=8,
        evaluations=2,
        calibrate=True,
        serving=measured,
        forgetting=measured,
    )
    cell, context = toy_cell(strategy, recipe=recipe), replace(toy_context, device=CARD)
    with Card():
        group = prepare_group(cell, context)
        assert group.given.table.weight.is_meta
        record, _ = run_cell(cell, group, context, lambda _: None)
    assert record.status == "done"
    assert record.curve


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x + torch.ones(4),
        lambda x: torch.where(torch.ones(4) > 0, x, x),
        lambda x: torch.cat([x, torch.ones(4)]),
        lambda x: x.numpy(),
    ],
    ids=["sum", "where", "cat", "numpy"],
)
def test_what_a_gpu_refuses_is_noticed(wrong: Callable[[torch.Tensor], object]) -> None:
    with Card():
        values = torch.ones(4).to(META)
        with pytest.raises((Mixed, TypeError, RuntimeError)):
            wrong(values)
        assert (values * 2 + torch.tensor(1.0)).sum().item() == 12
        assert values.cpu()[torch.arange(2)].tolist() == [1, 1]
