"""Divergence is found at its step, and says in which precision it happened."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Phase, Strategy
from bench.engine.attempt import Attempt, attempt
from bench.engine.divergence import Diverged, check_finite, check_sound
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.registry import Plugins, Registry
from bench.runs.record import Record


@dataclass(frozen=True)
class Wild(Strategy):
    """A learning rate that no model survives."""

    name = "wild"
    summary = "Diverges"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e30),), head=1e30),)


@dataclass(frozen=True)
class Narrow(Strategy):
    """Diverges in bf16 alone: its encoder overflows there on purpose."""

    name = "narrow"
    summary = "Diverges in bf16"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-3),)),)

    def adapt(self, encoder: Any) -> None:
        def overflow(_: Any, __: Any, output: Any) -> Any:
            return output * (math.inf if output.dtype == torch.bfloat16 else 1)

        encoder.model.embeddings.register_forward_hook(overflow)


@pytest.fixture(scope="module")
def context(toy_context: RunContext, plugins: Plugins) -> RunContext:
    strategies = {**plugins.strategies, "wild": Wild, "narrow": Narrow}
    return replace(
        toy_context, registry=Registry(Plugins(strategies, plugins.tasks), toy_context.registry.sources)
    )


def tried(cell: Cell, context: RunContext, retry: bool = False) -> Record:
    terms = Attempt(prepare_group, watch=lambda *_: None, log=lambda *_: "", retry_fp32=retry)
    ((record, _),) = attempt([cell], context, terms)
    return record


def test_a_cell_that_diverges_says_at_which_step(toy_cell: Callable[..., Cell], context: RunContext) -> None:
    record = tried(toy_cell("wild"), context)
    assert record.status == "diverged"
    assert record.reason.endswith("at step 2; try a smaller learning rate")


def test_trouble_in_bf16_is_reported_and_not_retried(
    toy_cell: Callable[..., Cell], context: RunContext
) -> None:
    record = tried(toy_cell("narrow"), replace(context, device=Device(torch.device("cpu"), torch.bfloat16)))
    assert record.status == "diverged"
    assert record.reason.endswith("in bfloat16: --retry-fp32 tries float32")
    assert record.adaptations == ()


def test_a_retry_in_fp32_has_to_be_asked_for_and_shows(
    toy_cell: Callable[..., Cell], context: RunContext
) -> None:
    low = replace(context, device=Device(torch.device("cpu"), torch.bfloat16))
    record = tried(toy_cell("narrow"), low, retry=True)
    assert record.status == "done"
    assert record.adaptations == ("float32, after it diverged in bfloat16",)
    assert record.machine is not None
    assert record.machine.dtype == "float32"


def steps(*values: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(values)


def test_the_first_bad_step_of_several_is_named() -> None:
    with pytest.raises(Diverged, match="training loss is nan at step 9;"):
        check_finite(steps((1, 1), (math.nan, 1), (math.nan, 1)), last=10)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    with pytest.raises(Diverged, match="gradient's norm is inf at step 10;"):
        check_finite(steps((1, 1), (1, math.inf)), last=10)


def test_finite_steps_pass() -> None:
    check_finite(steps((1, 1)), last=1)
    check_finite(torch.empty(0, 2), last=1)


def test_a_constant_output_is_a_collapse() -> None:
    with pytest.raises(Diverged, match="collapsed: after step 7 all 20 outputs are the same"):
        check_sound(np.ones((20, 2), np.float32), loss=0.7, step=7)


def test_different_outputs_with_one_label_are_no_collapse() -> None:
    check_sound(np.stack([np.arange(20.0), np.arange(20.0) - 1], axis=1), loss=0.7, step=7)


def test_a_validation_loss_that_is_not_finite_is_named() -> None:
    with pytest.raises(Diverged, match="validation loss is nan after step 7"):
        check_sound(np.ones((2, 2)), loss=math.nan, step=7)
