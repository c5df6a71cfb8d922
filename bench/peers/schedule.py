"""A strategy's phases for Hugging Face's Trainer: one optimizer whose groups follow their own rates, and a
callback that freezes and thaws at the first step of a phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback

from bench.contracts import Recipe
from bench.engine.optimizer import decays
from bench.engine.plan import Plan
from bench.engine.schedule import rate_factor


class Thaw(TrainerCallback):
    """Sets what learns when a phase begins. parameters: by the plan's names."""

    def __init__(self, plan: Plan, parameters: Mapping[str, nn.Parameter]) -> None:
        ends = accumulate(phase.steps for phase in plan.phases)
        self._phases = dict(zip([0, *ends], plan.phases, strict=False))
        self._parameters = parameters

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        phase = self._phases.get(state.global_step)
        if phase is None:
            return
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name in phase.rates)
            parameter.grad = None


def optimizer_and_schedule(
    plan: Plan, parameters: Mapping[str, nn.Parameter], recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Fused AdamW (Trainer's default) over everything that ever learns, and each group's rate at each step. A
    frozen parameter has no gradient, so AdamW leaves it as it is."""
    groups: dict[tuple[tuple[float, ...], float], list[nn.Parameter]] = {}
    for name, rates in plan.learning.items():
        decay = recipe.weight_decay if decays(name, parameters[name]) else 0.0
        groups.setdefault((rates, decay), []).append(parameters[name])
    members = [{"params": part, "weight_decay": decay} for (_, decay), part in groups.items()]
    optimizer = torch.optim.AdamW(members, lr=1.0, fused=True)
    schedules: list[Callable[[int], float]] = [partial(_rate, plan, rates, recipe) for rates, _ in groups]
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedules)


def _rate(plan: Plan, rates: tuple[float, ...], recipe: Recipe, step: int) -> float:
    """A group's learning rate at a step: its rate in that phase, times the engine's own factor."""
    for phase, rate in zip(plan.phases, rates, strict=True):
        if step < phase.steps:
            return rate * rate_factor(step, phase.steps, recipe)
        step -= phase.steps
    return 0.0
