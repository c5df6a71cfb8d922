"""The clock, which waits for the device, is looked at where parts begin and end: never once a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from bench.contracts import Cell, Recipe
from bench.engine.cell import build
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.training import fit
from tests.support.capture import LOOKS, count_captures


@dataclass(frozen=True)
class Watched(Device):
    """A device that counts how often its clock is read."""

    looks: list[float] = field(default_factory=list)

    def clock(self) -> float:
        self.looks.append(super().clock())
        return self.looks[-1]


def looks_and_steps(cell: Cell, context: RunContext, device: Device) -> tuple[int, int]:
    """How often training looks at the clock, and its steps."""
    watched = Watched(device.torch, device.dtype)
    context = replace(context, device=watched)
    group = prepare_group(cell, context)
    model, plan = build(cell, group, context)
    group.prefix.fill("train", plan.boundaries)
    group.prefix.fill("validation", plan.boundaries)
    watched.looks.clear()
    done = fit(model, plan, group.splits, cell.recipe, 0, lambda _: 0.0, lambda _: None)
    return len(watched.looks), done.steps


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", ["full", "top-layers", "gradual"])
def test_training_looks_at_the_clock_as_often_whatever_the_number_of_steps(
    strategy: str,
    toy_cell: Callable[..., Cell],
    toy_context: RunContext,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captures, found = count_captures(monkeypatch), []
    for size in (2, 8):  # four times as many steps between one validation pass and the next
        recipe = Recipe(epochs=2, batch_size=size, max_length=32, stride=8, evaluations=1, patience=99)
        captures.clear()
        looks, steps = looks_and_steps(toy_cell(strategy, recipe=recipe), toy_context, device)
        found.append((looks - LOOKS * len(captures), steps))
    (many_looks, many), (few_looks, few) = found
    assert many >= 3 * few
    assert many_looks == few_looks


def test_training_looks_at_the_clock_four_times_from_one_validation_pass_to_the_next(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """And validation twice."""
    found = []
    for epochs in (1, 3):
        recipe = Recipe(epochs=epochs, batch_size=8, max_length=32, stride=8, patience=99)
        looks, _ = looks_and_steps(toy_cell("full", recipe=recipe), toy_context, toy_context.device)
        found.append(looks)
    assert found[1] - found[0] == 2 * (4 + 2)
