"""Heads that are trained in one batch are the heads that they would be alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Recipe
from bench.engine import cell as engine_cell
from bench.engine.batched_heads import DRAWN, Heads, Member, _Draws
from bench.engine.cell import Tests, run_cell, run_cells, train, train_heads, trains_together
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.memory import Memory
from bench.engine.prediction import predict
from bench.runs.curve import Point
from bench.runs.record import Record

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


def seeds_in(context: RunContext, cell: Cell) -> RunContext:
    return replace(context, seeds={cell.id.rpartition("/")[0]: SEEDS})


def heads_of(cell: Cell, group: CellGroup, context: RunContext) -> Heads:
    found = train_heads(cell, group, context)
    assert found is not None
    return found


def test_each_head_is_the_one_it_would_be_alone(
    recipe: Recipe, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("frozen", recipe=recipe)
    context = seeds_in(toy_context, cell)
    group = prepare_group(cell, context)
    heads = heads_of(cell, group, context)
    assert set(heads.members) == {(seed, scale) for seed in SEEDS for scale in SCALES}
    for seed, scale in heads.members:
        batched = heads.trained(seed, scale, lambda _: None)
        single = train(replace(cell, seed=seed), scale, group, context, lambda _: None)
        curves = [[(p.step, p.loss, p.train_loss) for p in t.fitted.curve] for t in (batched, single)]
        np.testing.assert_allclose(curves[0], curves[1], rtol=1e-5, atol=1e-6)
        places = [[(p.step, p.epoch, p.phase) for p in t.fitted.curve] for t in (batched, single)]
        assert places[0] == places[1]
        assert batched.fitted.phase_steps == single.fitted.phase_steps
        assert batched.fitted.padding == single.fitted.padding
        logits = [
            predict(t.model, "test", group.splits["test"], t.plan.phases[-1])[0] for t in (batched, single)
        ]
        np.testing.assert_allclose(logits[0], logits[1], rtol=1e-4, atol=1e-5)


def test_the_watch_of_a_cell_hears_its_own_curve(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen")
    context = seeds_in(toy_context, cell)
    heads = heads_of(cell, prepare_group(cell, context), context)
    for seed in SEEDS:
        heard: list[Point] = []
        trained = heads.trained(seed, 1.0, heard.append)
        assert heard == trained.fitted.curve == heads.members[seed, 1.0].fit.curve
        assert heard


def test_a_head_waits_for_a_lower_loss_than_any_before() -> None:
    """An equal one is not better; the state that is kept is the first of equals."""
    plan: Any = None
    member = Member(plan, plan, 0, 1.0, 0.0)
    logits = np.random.default_rng(0).normal(size=(20, 2))
    waited = []
    for loss in (0.5, 0.6, 0.5, 0.4, 0.4):
        better = member.judge(logits, torch.ones(1, 2), loss, 1)
        member.fit.curve.append(Point(1, 1.0, 0.0, 1, 0.0, loss, 0.0))
        waited.append((better, member.waited))
    assert waited == [(True, 0), (False, 1), (False, 2), (True, 0), (False, 1)]


def test_every_seed_is_charged_the_whole_batch(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen")
    context = seeds_in(toy_context, cell)
    heads = heads_of(cell, prepare_group(cell, context), context)
    trained = [heads.trained(seed, 1.0, lambda _: None) for seed in SEEDS]
    assert len({t.fitted.train_seconds for t in trained}) == 1
    assert trained[0].fitted.train_seconds > 0


def test_a_head_that_diverges_leaves_the_others_alone(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    recipe = replace(toy_recipe, tune=(1.0, 1e-38))
    cell = toy_cell("frozen", recipe=recipe, options=(("head_rate", 1e35),))
    group = prepare_group(cell, toy_context)
    heads = heads_of(cell, group, toy_context)
    with pytest.raises(Diverged):
        heads.trained(cell.seed, 1.0, lambda _: None)
    kept = heads.trained(cell.seed, 1e-38, lambda _: None)
    single = train(cell, 1e-38, group, toy_context, lambda _: None)
    assert kept.fitted.loss == pytest.approx(single.fitted.loss, rel=1e-5)


def test_the_frozen_encoder_is_shared_and_untouched(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen")
    context = seeds_in(toy_context, cell)
    group = prepare_group(cell, context)
    before = group.frozen.content()
    heads = heads_of(cell, group, context)
    assert all(one.model.backbone is group.frozen for one in heads.members.values())
    assert group.frozen.content() == before


def made(
    cells: Sequence[Cell], context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[tuple[Record, Tests]], list[tuple[int, str]]]:
    """What comes of the cells, and the seed and learning-rate scale of every model that was built."""
    built: list[tuple[int, str]] = []
    real = engine_cell.build

    def noted(cell: Cell, *arguments: Any) -> Any:
        built.append((cell.seed, f"{cell.recipe.rate_scale:g}"))
        return real(cell, *arguments)

    monkeypatch.setattr(engine_cell, "build", noted)
    found = list(run_cells(cells, prepare_group(cells[0], context), context, lambda *_: None))
    results = [one for one in found if not isinstance(one, Exception)]
    assert len(results) == len(cells)
    return results, built


def test_seeds_of_a_cell_are_built_once_each(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell("frozen", seed=seed) for seed in SEEDS]
    results, built = made(cells, seeds_in(toy_context, cells[0]), monkeypatch)
    assert [record.cell for record, _ in results] == cells
    assert built == [(seed, "1") for seed in SEEDS]


def test_a_cell_is_the_same_alone_and_with_its_other_seeds(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit: the heads that train together are those of the run, not those that are still to do."""
    cells = [toy_cell("frozen", seed=seed) for seed in SEEDS]
    context = seeds_in(toy_context, cells[0])
    together, _ = made(cells, context, monkeypatch)
    alone, built = made(cells[1:], context, monkeypatch)
    assert {seed for seed, _ in built} == set(SEEDS)
    assert alone[0][1] == together[1][1]
    assert losses(alone[0][0]) == losses(together[1][0])


def losses(record: Record) -> list[tuple[float, float]]:
    return [(point.train_loss, point.loss) for point in record.curve]


def test_what_concerns_one_seed_is_yielded_in_its_place(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [toy_cell("frozen", seed=seed) for seed in (0, 1, 2)]
    context = replace(toy_context, seeds={cells[0].id.rpartition("/")[0]: (0, 1, 2)})
    real = engine_cell.score

    def broken(cell: Cell, *arguments: Any) -> Any:
        if cell.seed == 1:
            raise KeyError("one seed's predictions")
        return real(cell, *arguments)

    monkeypatch.setattr(engine_cell, "score", broken)
    found = list(run_cells(cells, prepare_group(cells[0], context), context, lambda *_: None))
    assert [isinstance(one, KeyError) for one in found] == [False, True, False]


@pytest.mark.parametrize(
    ("strategy", "task", "changes"),
    [
        ("full", "toy-sentiment", {}),
        ("probe", "toy-sentiment", {}),  # solved, not stepped
        ("lora", "toy-sentiment", {}),  # inserts modules
        ("gradual", "toy-sentiment", {}),  # several phases
        ("frozen", "toy-ner", {}),  # a head on tokens
        ("frozen", "toy-sentiment", {"memory": Memory(batch=8, micro_batch=4)}),
    ],
)
def test_what_trains_by_itself_is_known_before_anything_is_built(
    strategy: str, task: str, changes: dict[str, Any], toy_cell: MakeCell, toy_context: RunContext
) -> None:
    assert trains_together(toy_cell("frozen"), toy_context)
    assert not trains_together(toy_cell(strategy, task), replace(toy_context, **changes))


def test_features_that_no_cache_has_room_for_are_no_batch(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("frozen")
    context = replace(toy_context, memory=Memory(given_up=3))
    group = prepare_group(cell, context)
    assert train_heads(cell, group, context) is None
    record, _ = run_cell(cell, group, context, lambda _: None)
    assert record.status == "done"


@pytest.mark.gpu
def test_masks_drawn_on_a_device_depend_on_the_seed_of_their_head_alone(device: Device) -> None:
    where = device.torch
    like = torch.zeros(3, 8, 500, device=where)
    together, alone = _Draws([7, 8, 9], 0.25, 8, where), _Draws([8], 0.25, 8, where)
    for _ in range(DRAWN + 1):  # one more than is drawn at once
        found = together.mask(like)
        assert torch.equal(found[1:2], alone.mask(like[1:2]))
        assert not torch.equal(found[0], found[1])
        assert found.unique().tolist() == pytest.approx([0, 4 / 3])
        assert float(found.mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.gpu
def test_nor_do_they_depend_on_the_rows_of_the_other_heads(device: Device) -> None:
    """The last batch of an epoch is smaller, and comes at another step for every seed."""
    where = device.torch
    like = torch.zeros(3, 8, 500, device=where)
    together, alone = _Draws([7, 8, 9], 0.25, 8, where), _Draws([8], 0.25, 8, where)
    for step in range(2 * DRAWN + 1):
        rows = 4 if step % DRAWN == 0 else 8  # where masks are drawn
        found = alone.mask(like[1:2, :rows])
        assert found.shape == (1, rows, 500)
        assert torch.equal(together.mask(like)[1:2, :rows], found)
