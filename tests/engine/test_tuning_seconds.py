"""`seconds.tune` holds every scale that was not kept, those that diverged too, on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from bench.contracts import Cell, Recipe
from bench.data.batches import epoch_steps
from bench.engine import prefix
from bench.engine.cell import build
from bench.engine.divergence import Diverged
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.prefix import Stopwatch
from bench.engine.seeds_at_once import Cost
from bench.engine.training import Fit, fit
from bench.engine.tuning import Trained, timed, tune
from bench.runs.curve import Point
from tests.engine.test_batched_heads import heads_of


@dataclass(frozen=True)
class Scripted(Device):
    """A device whose clock moves only where a test moves it."""

    now: list[float] = field(default_factory=lambda: [0.0])

    def clock(self) -> float:
        return self.now[0]


DEVICE = Scripted(torch.device("cpu"), torch.float32)
BUILDING, PRETRAINING = 1000.0, 100.0
"""Seconds of setting up each model, and of what comes before its first phase."""


def trial(seconds: float, loss: float | None) -> Trained:
    """A training of so many seconds, which diverges where it has no loss."""
    building, before, training = Stopwatch(DEVICE), Stopwatch(DEVICE), Stopwatch(DEVICE)
    with building:
        DEVICE.now[0] += BUILDING
    with timed(before, building):
        DEVICE.now[0] += PRETRAINING
    with timed(Stopwatch(DEVICE), building, before), training:
        DEVICE.now[0] += seconds
        if loss is None:
            raise Diverged("the loss is nan")
    point = Point(step=1, epoch=1, seconds=0, phase=1, train_loss=0, loss=loss, score=0.5)
    fitted = Fit(curve=[point], train_seconds=PRETRAINING + training.seconds)
    model: Any = None
    return Trained(model, model, fitted, building.seconds)


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ((0.5, 0.4, 0.6), 1.0),
        ((None, 0.4, 0.6), 1.0),
        ((0.5, 0.6, None), 0.3),
        ((None, None, 0.6), 3.0),
    ],
)
def test_every_scale_but_the_kept_one_is_counted(losses: Sequence[float | None], kept: float) -> None:
    scales = (0.3, 1.0, 3.0)
    cost = dict(zip(scales, (2.0, 3.0, 5.0), strict=True))
    by_scale = dict(zip(scales, losses, strict=True))
    trained, trials = tune(scales, lambda scale: trial(cost[scale], by_scale[scale]))
    assert [each.scale for each in trials if each.kept] == [kept]
    assert trained.others == 2 * (BUILDING + PRETRAINING) + sum(cost.values()) - cost[kept]


def test_where_every_scale_diverges_the_last_one_says_so() -> None:
    with pytest.raises(Diverged, match="the loss is nan") as raised:
        tune((0.3, 1.0), lambda scale: trial(10 * scale, None))
    assert raised.value.seconds == BUILDING + PRETRAINING + 10


def test_what_diverges_carries_the_seconds_of_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = [0.0]
    monkeypatch.setattr(prefix, "compile_seconds", lambda: compiled[0])

    def diverging() -> None:
        with timed(Stopwatch(DEVICE)):
            DEVICE.now[0] += 7
            compiled[0] += 5
            raise Diverged("the loss is nan")

    with pytest.raises(Diverged) as raised:
        diverging()
    assert raised.value.seconds == 7


def test_what_diverges_before_the_first_phase_carries_its_seconds() -> None:
    def pretrained() -> None:
        building = Stopwatch(DEVICE)
        with building:
            DEVICE.now[0] += 7
        with timed(Stopwatch(DEVICE), building):
            DEVICE.now[0] += 4
            raise Diverged("the loss is nan")

    with pytest.raises(Diverged) as raised:
        pretrained()
    assert raised.value.seconds == 11


@pytest.mark.parametrize("strategy", ["full", "top-layers", "frozen"])
def test_a_scale_that_diverges_costs_a_cell_what_it_took(
    strategy: str, toy_cell: Callable[..., Cell], toy_recipe: Recipe, toy_context: RunContext
) -> None:
    """On the machine's clock: the only scale beside the one that is kept diverges."""
    from bench.engine.cell import run_cell

    recipe = replace(toy_recipe, tune=(1e-38, 1.0))
    cell = toy_cell(strategy, recipe=recipe, options=(("head_rate", 1e35),))
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert [each.loss is None for each in record.trials] == [False, True]
    assert record.seconds.tune > 0


def test_a_head_that_diverges_among_others_is_charged_as_they_are(
    toy_cell: Callable[..., Cell], toy_recipe: Recipe, toy_context: RunContext
) -> None:
    recipe = replace(toy_recipe, tune=(1.0, 1e-38))
    cell = toy_cell("frozen", recipe=recipe, options=(("head_rate", 1e35),))
    heads = heads_of(cell, prepare_group(cell, toy_context), toy_context)
    lost = heads.members[cell.seed, 1.0]
    with pytest.raises(Diverged) as raised:
        heads.trained(cell.seed, 1.0, lambda _: None)
    kept = heads.trained(cell.seed, 1e-38, lambda _: None)
    assert raised.value.seconds == pytest.approx(kept.seconds - kept.building + lost.building)


def test_a_seed_that_diverges_beside_others_is_charged_what_it_would_take_alone(
    toy_cell: Callable[..., Cell],
) -> None:
    cost = Cost(toy_cell(), (1.0, 10.0), 100.0, 0.5, 0.0, 2000.0)
    error = Diverged("the loss is nan")
    assert cost.until(error, 0) == 2000.5
    error.phase_steps = (4,)
    assert cost.until(error, 1) == 2104.5
    error.phase_steps = (5, 3)
    assert cost.until(error, 2) == 2235.5


def test_what_diverges_carries_the_steps_of_each_phase(
    toy_cell: Callable[..., Cell], toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its second validation pass, in the second of two phases."""
    cell = toy_cell("lp-ft", recipe=replace(toy_cell().recipe, epochs=3))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    heard: list[Point] = []

    def sound(*_: object) -> None:
        if heard:
            raise Diverged("the loss is nan")

    monkeypatch.setattr("bench.engine.training.check_sound", sound)
    with pytest.raises(Diverged) as raised:
        fit(model, plan, group.splits, cell.recipe, 0, lambda _: 0.0, heard.append)
    epoch, first = epoch_steps(len(group.splits["train"]), cell.recipe.batch_size), plan.phases[0].steps
    assert epoch < first < 2 * epoch
    assert raised.value.phase_steps == (first, 2 * epoch - first)
