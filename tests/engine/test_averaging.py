"""The state that an average leaves in the model is the plain mean of states, or the plain mixture with the lowest
validation loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from bench.contracts import Cell, Recipe
from bench.engine.averaging import WEIGHTS, Averaging
from bench.engine.cell import build, run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.model import Model
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prediction import predict
from bench.engine.training import Fit, fit
from bench.runs.curve import Point

MakeCell = Callable[..., Cell]
Values = dict[str, torch.Tensor]


@pytest.fixture
def cell(toy_cell: MakeCell, toy_recipe: Recipe) -> Cell:
    return toy_cell("full", recipe=replace(toy_recipe, epochs=3.0, patience=10), options=(("rate", 2e-3),))


@pytest.fixture
def group(cell: Cell, toy_context: RunContext) -> CellGroup:
    return prepare_group(cell, toy_context)


def values(model: Model) -> Values:
    return {name: parameter.detach().clone() for name, parameter in model.parameters().items()}


def trained(
    cell: Cell, average: str, group: CellGroup, context: RunContext
) -> tuple[Model, Fit, list[Values], Callable[[Values], float]]:
    """The model, what training says of it, its values at each validation pass (its initial ones come first), and
    the validation loss of any values."""
    model, plan = build(replace(cell, options=(*cell.options, ("average", average))), group, context)
    states = [values(model)]

    def watch(_: Point) -> None:
        states.append(values(model))

    fitted = fit(model, plan, group.splits, cell.recipe, cell.seed, lambda logits: float(logits.sum()), watch)

    def loss_of(state: Values) -> float:
        other = copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in other.parameters().items():
                parameter.copy_(state[name])
        return predict(other, "validation", group.splits["validation"], plan.phases[-1])[1]

    return model, fitted, states, loss_of


def test_swa_is_the_mean_of_the_states_at_all_validation_passes(
    cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    model, fitted, (_, *states), loss_of = trained(cell, "swa", group, toy_context)
    assert len(states) == len(fitted.curve) > 2
    mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    for name, value in values(model).items():
        torch.testing.assert_close(value, mean[name], rtol=1e-6, atol=1e-7)
    assert fitted.averaged is not None
    assert fitted.averaged.chosen == {"swa-states": len(states), "swa-loss": fitted.loss}
    assert fitted.loss == pytest.approx(loss_of(mean), rel=1e-5)
    assert fitted.loss not in [point.loss for point in fitted.curve]


def test_swa_leaves_earlier_phases_out(
    toy_cell: MakeCell, cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    two = toy_cell("lp-ft", recipe=cell.recipe)
    model, fitted, (_, *states), _ = trained(two, "swa", group, toy_context)
    last = [state for state, point in zip(states, fitted.curve, strict=True) if point.phase == 2]
    assert 0 < len(last) < len(states)
    for name, value in values(model).items():
        mean = torch.stack([state[name] for state in last]).mean(0)
        torch.testing.assert_close(value, mean, rtol=1e-6, atol=1e-7)


def test_wise_ft_is_the_mixture_with_the_lowest_validation_loss(
    cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    model, fitted, (given, *states), loss_of = trained(cell, "wise-ft", group, toy_context)
    best = states[min(range(len(states)), key=lambda place: fitted.curve[place].loss)]

    def mixed(weight: float) -> Values:
        return {
            name: value if name.startswith("head.") else (1 - weight) * given[name] + weight * value
            for name, value in best.items()
        }

    losses = {weight: loss_of(mixed(weight)) for weight in WEIGHTS}
    assert list(WEIGHTS) == [round(0.1 * step, 1) for step in range(11)]
    assert fitted.averaged is not None
    weight = fitted.averaged.chosen["wise-ft-weight"]
    assert losses[weight] == pytest.approx(min(losses.values()), rel=1e-5)
    assert fitted.loss == fitted.averaged.chosen["wise-ft-loss"] == pytest.approx(losses[weight], rel=1e-5)
    assert fitted.loss <= min(point.loss for point in fitted.curve)
    expected = mixed(weight)
    for name, value in values(model).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6)


def test_wise_ft_may_choose_less_than_all_that_was_learned(
    cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    """A rate that overshoots leaves a mixture that is better than either end."""
    chosen = set()
    for rate in (1e-4, 1e-2, 5e-2):
        found = replace(cell, options=(("rate", rate),))
        _, fitted, _, _ = trained(found, "wise-ft", group, toy_context)
        assert fitted.averaged is not None
        chosen.add(fitted.averaged.chosen["wise-ft-weight"])
    assert len(chosen) > 1


def test_of_equal_mixtures_the_one_with_most_of_the_trained_weights_is_chosen() -> None:
    rates = {"layers.0.weight": 1e-3, "head.weight": 1e-3}
    plan = Plan((PlannedPhase(1, rates, 0, shared=False),), average="wise-ft")
    model = {name: nn.Parameter(torch.zeros(2, 3)) for name in rates}
    optimizer = FlatAdamW(model, plan, Recipe(), torch.float32)
    averaging = Averaging(plan, optimizer)
    trained = [torch.ones_like(state) for state in optimizer.state()]
    found = averaging.finish(trained, lambda: (0.5, 0.25))
    assert found is not None
    assert (found.loss, found.score) == (0.5, 0.25)
    assert found.chosen == {"wise-ft-weight": 1.0, "wise-ft-loss": 0.5}
    assert all((parameter == 1).all() for parameter in model.values())


@pytest.mark.parametrize(("average", "name"), [("swa", "swa-loss"), ("wise-ft", "wise-ft-loss")])
def test_the_record_says_the_validation_loss_of_what_is_tested(
    average: str, name: str, cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    recipe = replace(cell.recipe, tune=(0.3, 1.0))
    averaged = replace(cell, recipe=recipe, options=(("average", average),))
    record, _ = run_cell(averaged, group, toy_context, lambda _: None)
    (kept,) = (trial for trial in record.trials if trial.kept)
    assert record.chosen[name] == kept.loss
    plain, _ = run_cell(replace(averaged, options=()), group, toy_context, lambda _: None)
    assert name not in plain.chosen
    assert plain.curve[0].loss == record.curve[0].loss


def test_averaging_is_charged_as_evaluation(
    cell: Cell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[str] = []
    from bench.engine import training

    def counted(*given: object) -> object:
        passes.append("validation")
        return predict(*given)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(training, "predict", counted)
    _, fitted, _, _ = trained(cell, "wise-ft", group, toy_context)
    assert len(passes) == len(fitted.curve) + len(WEIGHTS)
    assert fitted.evaluate_seconds > fitted.curve[-1].seconds - fitted.train_seconds
