"""An anchor (L2-SP) equals a penalty in the loss, and at zero it changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from bench.contracts import BenchError, Cell, Recipe
from bench.engine.cell import build
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.optimizer import FlatAdamW, memberships
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.training import Course, fit_in
from bench.engine.workspace import Workspace

MakeCell = Callable[..., Cell]

ANCHOR = 0.3
STEPS = 6
RECIPE = Recipe(weight_decay=0.1, clip=0.5)
RATES = {"embeddings.weight": 1e-2, "layers.0.weight": 1e-2, "head.weight": 1e-2}
SHAPES = {"embeddings.weight": (7, 5), "layers.0.weight": (5, 3), "head.weight": (3, 2)}


def parameters(seed: int = 0) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return {n: nn.Parameter(torch.randn(shape, generator=generator)) for n, shape in SHAPES.items()}


def loss_of(model: dict[str, nn.Parameter], step: int) -> torch.Tensor:
    inputs = torch.randn(4, 7, generator=torch.Generator().manual_seed(100 + step))
    hidden = torch.tanh(inputs @ model["embeddings.weight"].float() @ model["layers.0.weight"].float())
    return (hidden @ model["head.weight"].float()).square().mean()


def plainly(seed: int = 0) -> dict[str, torch.Tensor]:
    """torch's AdamW, with the penalty in the loss."""
    model = parameters(seed)
    given = {name: value.detach().clone() for name, value in model.items() if not name.startswith("head.")}
    decays = [{"params": [model[name]], "weight_decay": 0.1} for name in ("layers.0.weight", "head.weight")]
    optimizer = torch.optim.AdamW(
        [*decays, {"params": [model["embeddings.weight"]], "weight_decay": 0.0}], lr=5e-3
    )
    for step in range(STEPS):
        penalty = sum((model[name] - value).square().sum() for name, value in given.items())
        (loss_of(model, step) + ANCHOR / 2 * penalty).backward()
        nn.utils.clip_grad_norm_(list(model.values()), RECIPE.clip)
        optimizer.step()
        optimizer.zero_grad()
    return {name: value.detach() for name, value in model.items()}


def steps(optimizer: FlatAdamW, model: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    optimizer.enter(0)
    for step in range(STEPS):
        loss_of(model, step).backward()
        optimizer.step(0.5)
    return {name: value.detach().clone() for name, value in model.items()}


def plan(anchor: float) -> Plan:
    return Plan((PlannedPhase(STEPS, RATES, 0, False),), anchor=anchor)


def test_it_equals_a_penalty_in_the_loss() -> None:
    model = parameters()
    found, expected = steps(FlatAdamW(model, plan(ANCHOR), RECIPE, torch.float32), model), plainly()
    unheld = parameters()
    free = steps(FlatAdamW(unheld, plan(0.0), RECIPE, torch.float32), unheld)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(free["layers.0.weight"], expected["layers.0.weight"], atol=1e-4)


def test_buffers_that_begin_anew_hold_to_their_new_initial_values() -> None:
    model, chosen = parameters(), plan(ANCHOR)
    optimizer = FlatAdamW(model, chosen, RECIPE, torch.float32)
    places = [group.initial.data_ptr() for group in optimizer.groups if group.initial is not None]
    steps(optimizer, model)
    other = parameters(seed=1)
    optimizer.restart(other, memberships(other, chosen, RECIPE, torch.float32))
    found, expected = steps(optimizer, model), plainly(seed=1)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6)
    assert [group.initial.data_ptr() for group in optimizer.groups if group.initial is not None] == places


def test_the_head_is_not_held_and_zero_keeps_no_copy() -> None:
    held = FlatAdamW(parameters(), plan(ANCHOR), RECIPE, torch.float32).groups
    assert {name for group in held if group.initial is not None for name in group.names} == {
        "embeddings.weight",
        "layers.0.weight",
    }
    assert all(
        group.initial is None for group in FlatAdamW(parameters(), plan(0.0), RECIPE, torch.float32).groups
    )


def test_in_bf16_the_distance_is_that_of_the_masters() -> None:
    model = parameters()
    optimizer = FlatAdamW(model, plan(1.0), RECIPE, torch.bfloat16)
    optimizer.enter(0)
    encoder = [group for group in optimizer.groups if group.initial is not None]
    with torch.no_grad():
        for group in encoder:
            group.master.add_(1e-4)  # below what the shadow can hold
    for group in encoder:
        for parameter, _ in group.parts:
            parameter.grad = torch.zeros_like(parameter)
        assert group.initial is not None
        assert torch.equal(group.gather(), group.master.detach() - group.initial)


@pytest.fixture
def group(toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell("full"), toy_context)


def test_a_cell_ends_nearer_to_its_given_weights_the_larger_the_anchor(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    distances = []
    for anchor in (0.0, 1.0, 100.0):
        cell = toy_cell("full", options=(("anchor", anchor), ("rate", 1e-3)))
        model, planned = build(cell, group, toy_context)
        workspace = Workspace(model, planned, group.splits["train"], cell.recipe)
        fit_in(workspace, Course(planned, group.splits, cell.recipe, 0, lambda _: 0.0), lambda _: None)
        given = group.given.named_parameters()
        found = model.backbone.named_parameters()
        distances.append(sum(float((found[n] - p).detach().square().sum()) for n, p in given.items()))
    assert distances[0] > distances[1] > distances[2] > 0


@pytest.mark.parametrize("strategy", ["frozen", "probe"])
@pytest.mark.parametrize("option", [("anchor", 0.1), ("average", "wise-ft")])
def test_a_frozen_encoder_has_nothing_to_hold_or_to_mix(
    option: tuple[str, object], strategy: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    with pytest.raises(BenchError) as error:
        toy_context.registry.strategy(toy_cell(strategy, options=(option,))).checked_phases(4)
    assert error.value.code == "nothing-to-hold"


def test_a_solver_passes_no_states_to_average(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("probe", options=(("average", "swa"),))
    with pytest.raises(BenchError) as error:
        toy_context.registry.strategy(cell).checked_phases(4)
    assert error.value.code == "nothing-to-average"
