"""Heads that are trained in one batch are the heads that they would be alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.contracts import Cell, Recipe
from bench.engine.cell import build, run_cell, train
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.training import fit, predict
from bench.engine.tuning import Trained

MakeCell = Callable[..., Cell]
SEEDS = (0, 3)
SCALES = (0.3, 3.0)
RECIPES = {
    "linear": {},
    "bottleneck": {"head": "bottleneck", "dropout": 0.3},
    "no dropout": {"dropout": 0.0},
    "mixed layers": {"features": "mix"},
    "out of patience": {"epochs": 8.0, "patience": 1, "rate_scale": 30.0},
}


@pytest.fixture(params=RECIPES.values(), ids=RECIPES.keys())
def recipe(request: pytest.FixtureRequest, toy_recipe: Recipe) -> Recipe:
    changes = {"epochs": 4.0, "evaluations": 2, "clip": 0.1, **request.param}
    return replace(toy_recipe, tune=SCALES, **changes)


def alone(cell: Cell, scale: float, group: CellGroup, context: RunContext) -> Trained:
    """The same head through the plain training loop."""
    recipe = replace(cell.recipe, rate_scale=cell.recipe.rate_scale * scale)
    model, plan = build(replace(cell, strategy="frozen", recipe=recipe), group, context)
    for split in ("train", "validation"):
        group.prefix.fill(split, plan.boundaries)
    score = lambda logits: float(logits.mean())  # noqa: E731
    return Trained(model, plan, fit(model, plan, group.splits, recipe, cell.seed, score, lambda _: None), 0.0)


def with_seeds(context: RunContext, cell: Cell) -> RunContext:
    return replace(context, seeds={cell.id.rpartition("/")[0]: SEEDS})


def test_each_head_is_the_one_it_would_be_alone(
    recipe: Recipe, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("frozen", recipe=recipe)
    context = with_seeds(toy_context, cell)
    group = prepare_group(cell, context)
    for seed in SEEDS:
        for scale in SCALES:
            one = replace(cell, seed=seed)
            batched, single = (
                train(one, scale, group, context, lambda _: None),
                alone(one, scale, group, context),
            )
            curves = [[(p.step, p.loss, p.train_loss) for p in t.fitted.curve] for t in (batched, single)]
            np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5, atol=1e-6)
            assert batched.fitted.phase_steps == single.fitted.phase_steps
            assert batched.fitted.padding == single.fitted.padding
            logits = [
                predict(t.model, "test", group.splits["test"], t.plan.phases[-1])[0]
                for t in (batched, single)
            ]
            np.testing.assert_allclose(logits[0], logits[1], rtol=1e-4, atol=1e-5)
    assert len(group.heads) == len(SEEDS) * len(SCALES)


def test_what_a_head_costs_does_not_depend_on_the_order_of_the_cells(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("frozen")
    context = with_seeds(toy_context, cell)
    group = prepare_group(cell, context)
    trained = [train(replace(cell, seed=seed), 1.0, group, context, lambda _: None) for seed in (3, 0)]
    assert len({t.fitted.train_seconds for t in trained}) == 1  # each is charged the whole batch
    assert trained[0].fitted.train_seconds > 0


def test_a_head_that_diverges_leaves_the_others_alone(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell("frozen", recipe=replace(toy_recipe, tune=(1e38, 1.0)))
    group = prepare_group(cell, toy_context)
    with pytest.raises(Diverged):
        train(cell, 1e38, group, toy_context, lambda _: None)
    kept, single = train(cell, 1.0, group, toy_context, lambda _: None), alone(cell, 1.0, group, toy_context)
    assert kept.fitted.loss == pytest.approx(single.fitted.loss, rel=1e-5)


def test_the_frozen_encoder_is_shared_and_untouched(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen")
    context = with_seeds(toy_context, cell)
    group = prepare_group(cell, context)
    before = group.frozen.content()
    run_cell(cell, group, context, lambda _: None)
    assert all(t.model.backbone is group.frozen for t in group.heads.values() if isinstance(t, Trained))
    assert group.frozen.content() == before


def test_short_memory_and_token_heads_take_the_plain_path(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    tight = replace(toy_context, memory=replace(toy_context.memory, batch=8, micro_batch=4))
    for cell, context in ((toy_cell("frozen"), tight), (toy_cell("frozen", "toy-ner"), toy_context)):
        group = prepare_group(cell, context)
        train(cell, 1.0, group, context, lambda _: None)
        assert group.heads == {}
