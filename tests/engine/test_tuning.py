"""Every cell tries the same learning-rate scales, and the lowest validation loss decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.runs.record import Record, Trial

MakeCell = Callable[..., Cell]
SCALES = (0.01, 10.0, 1e6)


@pytest.fixture(scope="module")
def group(toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), toy_context)


def run(cell: Cell, group: CellGroup, context: RunContext) -> Record:
    return run_cell(cell, group, context, lambda point: None)[0]


@pytest.fixture(scope="module")
def tuned(toy_cell: MakeCell, toy_recipe: Recipe, group: CellGroup, toy_context: RunContext) -> Record:
    return run(toy_cell(recipe=replace(toy_recipe, tune=SCALES)), group, toy_context)


def test_the_scale_with_the_lowest_validation_loss_is_kept(tuned: Record) -> None:
    losses = {trial.scale: trial.loss for trial in tuned.trials if trial.loss is not None}
    (kept,) = (trial for trial in tuned.trials if trial.kept)
    assert tuple(trial.scale for trial in tuned.trials) == SCALES
    assert kept.loss == min(losses.values()) == min(point.loss for point in tuned.curve)


def test_it_is_the_run_with_that_scale(
    tuned: Record, toy_cell: MakeCell, toy_recipe: Recipe, group: CellGroup, toy_context: RunContext
) -> None:
    (scale,) = (trial.scale for trial in tuned.trials if trial.kept)
    alone = run(toy_cell(recipe=replace(toy_recipe, rate_scale=scale)), group, toy_context)
    assert tuned.scores == alone.scores
    assert [point.loss for point in tuned.curve] == [point.loss for point in alone.curve]


def test_what_the_other_scales_cost_is_apart(tuned: Record) -> None:
    parts = tuned.seconds
    assert parts.tune > 0
    assert parts.cold == pytest.approx(
        parts.prepare + parts.prefix + parts.compile + parts.train + parts.evaluate
    )


def test_a_scale_that_diverges_is_out(
    toy_cell: MakeCell, toy_recipe: Recipe, group: CellGroup, toy_context: RunContext
) -> None:
    recipe = replace(toy_recipe, tune=(1e-38, 1.0))
    cell = toy_cell("frozen", recipe=recipe, options=(("head_rate", 1e35),))
    record = run(cell, group, toy_context)
    assert record.trials[1] == Trial(scale=1.0, loss=None, kept=False)


def test_without_scales_there_is_no_trial(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    record = run(toy_cell(), group, toy_context)
    assert (record.trials, record.seconds.tune) == ((), 0.0)


@pytest.mark.parametrize("scales", [(0.0,), (1.0, 1.0), (float("inf"),), (1e38,)])
def test_scales_are_positive_and_different(scales: tuple[float, ...]) -> None:
    with pytest.raises(BenchError) as error:
        Recipe(tune=scales)
    assert error.value.code == "wrong-recipe"
