"""Schedules against those of transformers and against ULMFiT's formula; what a recipe changes about AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.contracts import BenchError, Cell, Recipe
from bench.engine.cell import build, pretrained, run_cells, train_heads
from bench.engine.group import RunContext, prepare_group
from bench.engine.optimizer import FlatAdamW, memberships
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.schedule import rate_factor
from bench.engine.training import fit

MakeCell = Callable[..., Cell]

THEIRS: dict[str, Callable[..., Any]] = {
    "linear": transformers.get_linear_schedule_with_warmup,
    "cosine": transformers.get_cosine_schedule_with_warmup,
    "constant": lambda optimizer, warmup, _: transformers.get_constant_schedule_with_warmup(
        optimizer, warmup
    ),
}


@pytest.mark.parametrize("schedule", THEIRS)
@pytest.mark.parametrize(
    ("steps", "warmup"), [(40, 0.25), (40, 0.1), (7, 0.0), (5, 0.33), (1, 0.1), (3, 0.9)]
)
def test_a_schedule_is_that_of_transformers_from_its_second_step_on(
    schedule: str, steps: int, warmup: float
) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = THEIRS[schedule](optimizer, warmup * steps + 1, steps + 1).lr_lambdas[0]
    recipe = Recipe(schedule=schedule, warmup=warmup)  # pyright: ignore[reportArgumentType]
    expected = [theirs(step) for step in range(1, steps + 1)]
    assert [rate_factor(step, steps, recipe) for step in range(steps)] == pytest.approx(expected, rel=1e-12)
    assert all(factor > 0 for factor in expected)


@pytest.mark.parametrize(("steps", "cut_frac", "ratio"), [(40, 0.1, 32.0), (200, 0.25, 10.0)])
def test_the_slanted_triangle_is_that_of_ulmfit(steps: int, cut_frac: float, ratio: float) -> None:
    """Howard and Ruder 2018, equation 3, where the cut is a whole step."""
    cut = math.floor(steps * cut_frac)
    expected = []
    for t in range(steps):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
        expected.append((1 + p * (ratio - 1)) / ratio)
    recipe = Recipe(schedule="slanted-triangular", warmup=cut_frac, schedule_ratio=ratio)
    found = [rate_factor(step, steps, recipe) for step in range(steps)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert (found[0], max(found)) == (pytest.approx(1 / ratio), 1.0)


@pytest.mark.parametrize("steps", [1, 2, 9, 19])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_the_slanted_triangle_of_a_short_phase_stays_above_its_lowest_rate(steps: int, warmup: float) -> None:
    recipe = Recipe(schedule="slanted-triangular", warmup=warmup)
    assert all(1 / 32 <= rate_factor(step, steps, recipe) <= 1 for step in range(steps))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"schedule": "slanted-triangular", "schedule_ratio": 0.5}, "schedule_ratio"),
        ({"schedule_ratio": 10.0}, "schedule_ratio"),
        ({"head_rate_scale": 0.0}, "head_rate_scale"),
        ({"head_rate_scale": math.inf}, "head_rate_scale"),
    ],
)
def test_a_wrong_number_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BenchError, match=rf"recipe\.{key} is ") as error:
        Recipe(**changes)
    assert error.value.code == "wrong-recipe"


@pytest.mark.parametrize("strategy", ["full", "frozen"])
def test_every_step_has_the_rates_of_the_recipe(
    strategy: str, toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    recipe = replace(
        toy_recipe, schedule="cosine", warmup=0.3, rate_scale=2.0, head_rate_scale=5.0, epochs=8 / 5
    )
    options = (("head_rate", 1e-3),) + ((("rate", 1e-4),) if strategy == "full" else ())
    cell = toy_cell(strategy, recipe=recipe, options=options)
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    seen: list[set[float]] = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, *_: seen.append({float(group["lr"]) for group in optimizer.param_groups})
    )
    fit(model, plan, group.splits, recipe, 0, lambda logits: 0.0, lambda point: None)
    alone = len(seen)
    if strategy == "frozen":
        assert train_heads(cell, group, toy_context)
    handle.remove()
    factors = [rate_factor(step, 8, recipe) for step in range(8)]
    encoder = [2e-4 * factor for factor in factors] if strategy == "full" else []
    for place, rates in enumerate(seen):
        expected = [1e-2 * factors[place % 8], *([encoder[place % 8]] if encoder else [])]
        assert sorted(rates) == pytest.approx(sorted(expected))
    assert (alone, len(seen)) == (8, 16 if strategy == "frozen" else 8)


def by_bert(parameter: torch.Tensor, gradients: list[torch.Tensor], rates: list[float], decay: float) -> Any:
    """BERT's own optimizer (google-research/bert, optimization.py), with torch's epsilon."""
    value, m, v = parameter.clone(), torch.zeros_like(parameter), torch.zeros_like(parameter)
    for gradient, rate in zip(gradients, rates, strict=True):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient * gradient
        value = value - rate * (m / (v.sqrt() + 1e-8) + decay * value)
    return value


def test_without_bias_correction_it_is_the_optimizer_of_bert() -> None:
    recipe = Recipe(bias_correction=False, weight_decay=0.1, clip=1e6)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, generator=generator)
    gradients = [torch.randn(4, 3, generator=generator) for _ in range(12)]
    rates = [1e-2 * rate_factor(step, 12, recipe) for step in range(12)]
    expected = by_bert(start, gradients, rates, 0.1)

    plan = Plan((PlannedPhase(12, {"head.weight": 1e-2}, 0, shared=False),))
    model = {"head.weight": nn.Parameter(start.clone())}
    optimizer = FlatAdamW(model, plan, recipe, torch.float32)
    members = memberships(model, plan, recipe, torch.float32)
    for _ in range(2):  # the second time as another cell in the same buffers
        optimizer.restart({"head.weight": start}, members)
        optimizer.enter(0)
        for step, gradient in enumerate(gradients):
            torch.autograd.backward(model["head.weight"], gradient)
            optimizer.step(rate_factor(step, 12, recipe))
        torch.testing.assert_close(model["head.weight"].detach(), expected, rtol=1e-5, atol=1e-6)
    corrected = by_torch(start, gradients, rates)
    assert not torch.allclose(corrected, expected, atol=1e-3)


def by_torch(parameter: torch.Tensor, gradients: list[torch.Tensor], rates: list[float]) -> torch.Tensor:
    value = nn.Parameter(parameter.clone())
    optimizer = torch.optim.AdamW([value], weight_decay=0.1)
    for gradient, rate in zip(gradients, rates, strict=True):
        value.grad = gradient
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    return value.detach()


def test_heads_that_train_together_skip_the_correction_too(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    """A head by itself is trained by the flat optimizer; together with others by a stacked one."""
    recipe = replace(toy_recipe, bias_correction=False, dropout=0.0)
    cell = toy_cell("frozen", recipe=recipe)
    group = prepare_group(cell, toy_context)
    (found,) = run_cells([cell], group, toy_context, lambda cell, point: None)
    assert isinstance(found, tuple)
    model, plan = build(cell, group, toy_context)
    alone = fit(model, plan, group.splits, recipe, 0, lambda logits: 0.0, lambda point: None)
    together = [point.loss for point in found[0].curve]
    assert together == pytest.approx([point.loss for point in alone.curve], abs=1e-5)
    usual = toy_cell("frozen", recipe=replace(recipe, bias_correction=True))
    (other,) = run_cells([usual], group, toy_context, lambda cell, point: None)
    assert isinstance(other, tuple)
    assert together != pytest.approx([point.loss for point in other[0].curve], abs=1e-4)


def test_what_comes_before_the_task_skips_the_correction_too(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    """The first step moves a value by rate * 0.1 / sqrt(0.001) instead of by the rate."""
    moved = {}
    for corrected in (True, False):
        recipe = replace(
            toy_recipe, bias_correction=corrected, warmup=0.0, schedule="constant", weight_decay=0.0
        )
        cell = toy_cell("setfit", recipe=replace(recipe, epochs=1 / 5, encoder_dropout=0.0))
        group = prepare_group(cell, toy_context)
        model, plan = build(cell, group, toy_context)
        assert [phase.steps for phase in plan.pretraining] == [1]
        before = group.given.named_parameters()["layers.3.output.dense.weight"]
        after = pretrained(model, plan, cell, group).backbone.named_parameters()
        moved[corrected] = (after["layers.3.output.dense.weight"] - before).abs().median().item()
    assert moved[True] == pytest.approx(1e-4, rel=1e-2)
    assert moved[False] == pytest.approx(1e-4 * 0.1 / math.sqrt(0.001), rel=1e-2)


def test_fingerprints_know_what_is_set_alone(toy_cell: MakeCell, toy_context: RunContext) -> None:
    recipe = Recipe()
    cell = toy_cell(recipe=recipe)
    prints = {
        toy_context.registry.fingerprint(replace(cell, recipe=replace(recipe, **changes)))
        for changes in (
            {},
            {"schedule": "linear", "bias_correction": True, "head_rate_scale": 1.0, "schedule_ratio": 32.0},
        )
    }
    assert len(prints) == 1
    for changes in ({"schedule": "cosine"}, {"bias_correction": False}, {"head_rate_scale": 2.0}):
        prints.add(toy_context.registry.fingerprint(replace(cell, recipe=replace(recipe, **changes))))
    assert len(prints) == 4
