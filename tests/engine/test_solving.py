"""L-BFGS on frozen features is logistic regression; it leaves the encoder alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from bench.analysis.convergence import solved
from bench.contracts import BenchError, Cell, Phase, Recipe, Strategy
from bench.engine import solving
from bench.engine.cell import build, run_cell
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.training import Fit, Model
from bench.runs.record import Point
from tests.support.optimizers import noted

MakeCell = Callable[..., Cell]


def solve(
    cell: Cell, group: CellGroup, context: RunContext, watch: Callable[[Point], None] = lambda point: None
) -> tuple[Model, Fit]:
    model, plan = build(replace(cell, strategy="probe"), group, context)
    for split in ("train", "validation"):
        group.prefix.fill(split, plan.boundaries)
    return model, solving.solve(model, plan, group.splits, cell.recipe, cell.seed, lambda logits: 0.0, watch)


def test_it_is_scikit_learns_logistic_regression(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalty = 1e-2
    monkeypatch.setattr(solving, "PENALTIES", (penalty,))
    monkeypatch.setattr(solving, "LARGEST", penalty)
    group = prepare_group(toy_cell("probe"), toy_context)
    model, _ = solve(toy_cell("probe"), group, toy_context)
    everything = group.splits["train"].batch(np.arange(len(group.rows.train)))
    features = group.prefix.gather("train", group.given.depth + 1, everything)
    assert features is not None
    labels = [group.labels.index(row.label) for row in group.rows.train]
    with torch.no_grad():
        logits = model.head(features, torch.ones(len(labels), 1))
    ours = torch.softmax(logits, 1)[:, 1].numpy()
    # of two classes sklearn has one weight vector, the difference of ours: the same penalty is half as large
    theirs = LogisticRegression(C=2 / (penalty * len(labels)), tol=1e-8, max_iter=1000)
    theirs.fit(features.numpy(), labels)
    assert ours == pytest.approx(theirs.predict_proba(features.numpy())[:, 1], abs=1e-3)


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
def test_the_penalty_with_the_lowest_validation_loss_is_kept(
    task: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("probe", task)
    group = prepare_group(cell, toy_context)
    model, result = solve(cell, group, toy_context)
    (phase,) = build(replace(cell, strategy="probe"), group, toy_context)[1].phases
    _, loss = solving.predict(model, "validation", group.splits["validation"], phase)
    assert loss == pytest.approx(min(point.loss for point in result.curve))
    assert len(result.curve) >= len(solving.PENALTIES)


def test_a_smaller_penalty_fits_the_training_data_better(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("probe")
    _, result = solve(cell, prepare_group(cell, toy_context), toy_context)
    losses = [point.train_loss for point in result.curve][: len(solving.PENALTIES)]
    assert losses == sorted(losses, reverse=True)


def test_a_bottleneck_head_is_solved_for_too(
    toy_cell: MakeCell, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    cell = toy_cell("probe", recipe=replace(toy_recipe, head="bottleneck"))
    _, result = solve(cell, prepare_group(cell, toy_context), toy_context)
    assert np.isfinite(result.loss)


@pytest.mark.parametrize(
    "phases",
    [
        (Phase(0.5, solver="lbfgs"), Phase(0.5)),
        (Phase(1.0, (("*", 1e-4),), solver="lbfgs"),),
    ],
)
def test_a_strategy_may_ask_for_it_for_the_head_alone(phases: tuple[Phase, ...]) -> None:
    class Solved(Strategy):
        name = "solved"
        summary = "asks for too much"

        def phases(self, depth: int) -> tuple[Phase, ...]:
            return phases

    with pytest.raises(BenchError) as error:
        Solved().checked_phases(4)
    assert error.value.code == "wrong-phase"


def test_products_are_not_rounded_to_tf32_while_it_solves(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line search compares losses whose differences TF32 would hide."""
    seen: list[bool] = []
    real = solving._Objective.__call__

    def noted(objective: solving._Objective) -> torch.Tensor:
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        return real(objective)

    monkeypatch.setattr(solving._Objective, "__call__", noted)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        solve(toy_cell("probe"), prepare_group(toy_cell("probe"), toy_context), toy_context)
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    assert seen
    assert not any(seen)


@pytest.mark.parametrize(("strategy", "expected"), [("probe", True), ("frozen", False), ("full", False)])
def test_its_curve_is_told_from_that_of_training(
    strategy: str, expected: bool, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """It takes more passes over the training rows than steps; training takes at most as many."""
    cell = toy_cell(strategy)
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert solved(record.curve) is expected


def test_the_objective_is_the_mean_loss_and_half_the_penalty_on_matrices(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """Biases are free; the gradient is of that sum."""
    group = prepare_group(toy_cell("probe"), toy_context)
    model, plan = build(toy_cell("probe"), group, toy_context)
    split = group.splits["train"]
    objective = solving._Objective(model, split, plan.phases[0])
    objective.penalty = 0.3
    weight, bias = model.head.parameters()
    value = float(objective())
    everything = split.batch(np.arange(len(split)))
    with torch.no_grad():
        hidden = model.head.pool(
            group.given.encode(everything.tokens, everything.mask, everything.segments), everything.mask
        )
    copies = [parameter.detach().clone().requires_grad_() for parameter in (weight, bias)]
    mean = F.cross_entropy(F.linear(hidden, *copies), everything.targets)
    expected = mean + 0.3 / 2 * copies[0].square().sum()
    expected.backward()
    assert float(objective.mean) == pytest.approx(float(mean.detach()), rel=1e-5)
    assert value == pytest.approx(float(expected.detach()), rel=1e-5)
    for parameter, copy in zip((weight, bias), copies, strict=True):
        assert parameter.grad is not None
        assert copy.grad is not None
        torch.testing.assert_close(parameter.grad, copy.grad, rtol=1e-4, atol=1e-6)


def test_points_count_iterations_and_passes_over_the_rows(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted(monkeypatch, "LBFGS")
    heard: list[Point] = []
    _, result = solve(
        toy_cell("probe"), prepare_group(toy_cell("probe"), toy_context), toy_context, heard.append
    )
    states = [next(iter(optimizer.state.values())) for optimizer in made]
    assert [point.step for point in result.curve] == np.cumsum([state["n_iter"] for state in states]).tolist()
    passes = np.cumsum([state["func_evals"] for state in states]).tolist()
    assert [point.epoch for point in result.curve] == passes
    assert heard == result.curve
    assert {point.phase for point in heard} == {1}
    assert result.phase_steps == [heard[-1].step]
    assert pytest.approx([10.0**-power for power in range(1, 7)]) == solving.PENALTIES


@pytest.mark.parametrize(
    ("losses", "tried", "kept"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.5], 1, 0),
        ([3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 2.0, 1.0, 1.5], 3, 7),
        ([9.0, *[10.0] * 5, 8.0, 7.0, 6.0, 5.0], 4, 9),
        ([2.0, 1.0, 3.0, 4.0, 5.0, 6.0], 0, 1),
    ],
)
def test_larger_penalties_are_tried_while_the_largest_is_the_best(
    losses: list[float],
    tried: int,
    kept: int,
    toy_cell: MakeCell,
    toy_context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up to 1,000; each from the best state so far."""
    left = iter(losses)
    monkeypatch.setattr(solving, "predict", lambda *_: (np.arange(24.0).reshape(12, 2), next(left)))
    penalties: list[float] = []
    real = solving._Objective.__call__

    def noted_penalty(objective: solving._Objective) -> torch.Tensor:
        penalties.append(objective.penalty)
        return real(objective)

    monkeypatch.setattr(solving._Objective, "__call__", noted_penalty)
    states: list[list[torch.Tensor]] = []
    group = prepare_group(toy_cell("probe"), toy_context)
    model, plan = build(toy_cell("probe"), group, toy_context)

    def keep(_: Point) -> None:
        states.append([p.detach().clone() for p in model.head.parameters()])

    solving.solve(model, plan, group.splits, toy_cell().recipe, 0, lambda _: 0.0, keep)
    expected = [*solving.PENALTIES, *(10.0**power for power in range(tried))]
    assert list(dict.fromkeys(penalties)) == pytest.approx(expected)
    assert len(states) == len(losses)
    assert all(torch.equal(p, value) for p, value in zip(model.head.parameters(), states[kept], strict=True))


def test_the_first_of_equal_penalties_is_kept(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 1.0, 2.0, 1.0, 4.0, 1.0])
    monkeypatch.setattr(solving, "predict", lambda *_: (np.arange(24.0).reshape(12, 2), next(losses)))
    group = prepare_group(toy_cell("probe"), toy_context)
    model, plan = build(toy_cell("probe"), group, toy_context)
    states: list[list[torch.Tensor]] = []
    solving.solve(
        model,
        plan,
        group.splits,
        toy_cell().recipe,
        0,
        lambda _: 0.0,
        lambda point: states.append([p.detach().clone() for p in model.head.parameters()]),
    )
    assert len(states) == 6
    assert all(torch.equal(p, kept) for p, kept in zip(model.head.parameters(), states[1], strict=True))


def test_features_that_are_not_finite_are_a_divergence(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not an error of the line search, which multiplies its step until it is no float."""
    real = solving.loss_terms

    def broken(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        total, terms = real(*given)
        return total * torch.nan, terms

    monkeypatch.setattr(solving, "loss_terms", broken)
    with pytest.raises(Diverged, match=r"the training loss is nan with penalty 0\.1:"):
        solve(toy_cell("probe"), prepare_group(toy_cell("probe"), toy_context), toy_context)


def test_a_head_that_says_the_same_of_every_text_has_collapsed(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "predict", lambda *_: (np.ones((12, 2)), 0.5))
    with pytest.raises(Diverged, match="all 12 outputs are the same"):
        solve(toy_cell("probe"), prepare_group(toy_cell("probe"), toy_context), toy_context)
