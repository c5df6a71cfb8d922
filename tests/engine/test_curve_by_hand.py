"""Learning curves, tuning, plans and kept logits, against a second computation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import FROZEN, Cell, Phase, Recipe, Strategy
from bench.data.batches import epoch_steps, shuffled
from bench.engine import training
from bench.engine.cell import build
from bench.engine.divergence import COLLAPSE, Diverged, check_sound
from bench.engine.group import RunContext, prepare_group
from bench.engine.kept_logits import KeptLogits, asked_for
from bench.engine.plan import Parameters, Plan
from bench.engine.training import Course, Fit, derived_seed, fit
from bench.engine.tuning import Trained, tune
from bench.runs.curve import Point
from bench.runs.record import Trial

MakeCell = Callable[..., Cell]


# --------------------------------------------------------------------------------------------------
# The learning curve


def test_a_point_has_its_place_its_losses_and_its_score(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = toy_cell("gradual", recipe=replace(toy_cell().recipe, evaluations=2, patience=99))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    checked: list[torch.Tensor] = []
    given = training.check_finite
    monkeypatch.setattr(
        training, "check_finite", lambda losses, last: checked.append(losses.clone()) or given(losses, last)
    )
    heard: list[Point] = []
    scores: list[float] = []

    def score(logits: np.ndarray) -> float:
        scores.append(float(logits.sum()))
        return scores[-1]

    for split in ("train", "validation"):
        group.prefix.fill(split, plan.boundaries)
    found = fit(model, plan, group.splits, cell.recipe, 0, score, heard.append)
    epoch = epoch_steps(len(group.splits["train"]), 8)
    every = math.ceil(epoch / 2)
    total = sum(one.steps for one in plan.phases)
    assert [point.step for point in found.curve] == sorted({*range(every, total, every), total})
    assert [point.epoch for point in found.curve] == [point.step / epoch for point in found.curve]
    assert heard == found.curve
    assert [point.score for point in found.curve] == scores[: len(found.curve)]
    ends = np.cumsum([one.steps for one in plan.phases])
    assert [point.phase for point in found.curve] == [
        1 + int(np.searchsorted(ends, point.step)) for point in found.curve
    ]
    assert found.phase_steps == [one.steps for one in plan.phases]
    assert found.steps == total
    read = np.cumsum([len(part) for part in checked])
    by_step = {int(step): part for step, part in zip(read, checked, strict=True)}
    for point in found.curve:
        assert point.train_loss == pytest.approx(float(by_step[point.step][:, 0].mean()))
    seconds = [point.seconds for point in found.curve]
    assert seconds == sorted(seconds)
    assert found.train_seconds == pytest.approx(sum(found.phase_seconds))
    assert seconds[-1] <= found.train_seconds + found.evaluate_seconds
    best = min(found.curve, key=lambda point: point.loss)
    assert (found.loss, found.score) == (best.loss, best.score)
    order = islice(shuffled(group.splits["train"].lengths, 8, derived_seed(0, "order")), total)
    batches = [group.splits["train"].lengths[index] for index in order]
    real, padded = sum(part.sum() for part in batches), sum(len(part) * part.max() for part in batches)
    assert found.padding == pytest.approx(1 - real / padded)
    assert found.padding > 0


def test_a_course_is_validated_as_often_as_its_recipe_says() -> None:
    splits: Any = {"train": range(45)}
    course = Course(Plan(()), splits, Recipe(batch_size=8, evaluations=4), 0, lambda _: 0.0)
    assert (course.epoch, course.every) == (6, 2)


# --------------------------------------------------------------------------------------------------
# Tuning


def fitted(loss: float, score: float) -> Fit:
    point = Point(step=1, epoch=1, seconds=1, phase=1, train_loss=1, loss=loss, score=score)
    return Fit(curve=[point], train_seconds=1, evaluate_seconds=2, compile_seconds=4)


def test_the_first_of_the_best_scales_is_kept_and_the_others_are_charged_apart() -> None:
    outcomes = {0.3: (0.5, 0.6), 1.0: (0.4, 0.7), 3.0: (0.4, 0.9)}
    model: Any = None
    places = {scale: 8.0 * (place + 1) for place, scale in enumerate(outcomes)}

    def train(scale: float) -> Trained:
        return Trained(model, model, fitted(*outcomes[scale]), places[scale])

    kept, tried = tune(tuple(outcomes), train)
    assert (kept.building, kept.seconds) == (16, 16 + 7)
    assert kept.others == (8 + 7) + (24 + 7)
    assert tried == tuple(
        Trial(scale=scale, loss=loss, kept=scale == 1.0, score=score)
        for scale, (loss, score) in outcomes.items()
    )
    alone, none = tune((), train)
    assert (alone.others, none) == (0, ())


# --------------------------------------------------------------------------------------------------
# Plans, collapses, kept logits


@dataclass(frozen=True)
class Given(Strategy):
    """The phases that it is given."""

    given: tuple[Phase, ...] = ()
    name = "given"
    summary = "as given"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return self.given


NAMES = ["embeddings.table", "layers.0.w", "layers.1.w", "head.w"]


def planned(*phases: Phase, steps: int = 10, recipe: Recipe | None = None) -> Plan:
    return Plan.of(Given(phases), Parameters(NAMES, 2), recipe or Recipe(epochs=3, patience=7), steps)


def test_steps_before_the_task_are_beside_its_budget() -> None:
    words = Phase(0.5, (("*", 1e-5),), objective="masked-lm")
    plan = planned(words, replace(words, share=0.001), Phase(1.0, (("*", 1e-4),)))
    assert [one.steps for one in plan.pretraining] == [15, 1]
    assert [one.steps for one in plan.phases] == [30]
    assert [one.random for one in plan.pretraining] == [False, False]
    assert plan.changing == set(NAMES)
    frozen = planned(words, Phase(1.0, (("*", FROZEN),)))
    assert frozen.changing == set(NAMES)
    assert frozen.learning == {"head.w": (1e-3,)}


def test_the_last_phase_has_the_patience_of_the_recipe_unless_it_has_its_own() -> None:
    part = Phase(0.5, (("*", 1e-4),))
    assert [one.patience for one in planned(part, part).phases] == [0, 7]
    assert [one.patience for one in planned(replace(part, patience=2), replace(part, patience=3)).phases] == [
        2,
        3,
    ]


def test_scales_of_encoder_and_head() -> None:
    recipe = Recipe(rate_scale=3.0, head_rate_scale=5.0)
    (one,) = planned(Phase(1.0, (("layers.1.*", 1e-4), ("*", FROZEN)), head=1e-3), recipe=recipe).phases
    assert one.rates == pytest.approx({"layers.1.w": 3e-4, "head.w": 15e-3})
    assert (one.frozen, one.above(3, 0).rates) == (2, pytest.approx({"head.w": 15e-3}))


def test_a_few_equal_outputs_are_no_collapse() -> None:
    check_sound(np.ones((COLLAPSE, 2)), 0.5, 3)
    with pytest.raises(Diverged):
        check_sound(np.ones((COLLAPSE + 1, 2)), 0.5, 3)
    with pytest.raises(Diverged):
        check_sound(np.eye(2), math.inf, 3)
    assert COLLAPSE == 8


def test_logits_are_kept_within_float16_and_divided_by_their_temperature() -> None:
    logits = np.array([[1e6, -1e6], [3.0, -1.0]])
    found = KeptLogits(("a", "b"), 2.0).columns(logits)
    assert {name: values.tolist() for name, values in found.items()} == {
        "logit:a": [65504, 1.5],
        "logit:b": [-65504, -0.5],
    }
    assert KeptLogits().columns(logits) == {}
    assert (KeptLogits().chosen, KeptLogits((), 2.0).chosen) == ({}, {"temperature": 2.0})

    def validation() -> tuple[np.ndarray, np.ndarray]:
        return np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), np.array([0, 1, 1])

    assert asked_for(Recipe(), ("a", "b"), validation) == KeptLogits()
    assert asked_for(Recipe(logits=True), ("a", "b"), validation) == KeptLogits(("a", "b"))
    both = asked_for(Recipe(calibrate=True), ("a", "b"), validation)
    # two of three are right: the temperature at which the margin of 2 has odds of 2 to 1
    assert both.temperature == pytest.approx(2 / math.log(2), rel=1e-3)
