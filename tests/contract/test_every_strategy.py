"""What holds for every strategy that is found: the project's own and any installed plug-in's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from bench.contracts import BenchError, Cell, Recipe, Strategy, block_of
from bench.data.batches import epoch_steps
from bench.engine.cell import build, pretrained, run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.plan import Plan
from bench.engine.solving import solve
from bench.engine.training import Fit, Model, fit
from bench.registry import Plugins, discover
from bench.runs.record import Record
from tests.support.optimizers import noted

STRATEGIES = sorted(name for name, cls in discover().strategies.items() if not cls.needs)
OWN = [n for n in STRATEGIES if discover().strategies[n].__module__.startswith("strategies.")]
EVERY = pytest.mark.parametrize("name", STRATEGIES)
STEPPING = [n for n in STRATEGIES if discover().strategy(n).checked_phases(6)[-1].solver == "adamw"]
EVERY_STEPPING = pytest.mark.parametrize("name", STEPPING)
MakeCell = Callable[..., Cell]


@pytest.fixture(scope="session")
def group_of(toy_cell: MakeCell, toy_context: RunContext) -> Callable[[str], CellGroup]:
    """What the cells of a task share, prepared once."""
    return cache(lambda task: prepare_group(toy_cell(task=task), toy_context))


@pytest.fixture(scope="session")
def group(group_of: Callable[[str], CellGroup]) -> CellGroup:
    return group_of("toy-sentiment")


@dataclass(frozen=True)
class Trained:
    """A model that was trained; its parameters before, and after the last step, when the best state is not
    restored yet."""

    model: Model
    plan: Plan
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    result: Fit


def train(cell: Cell, group: CellGroup, context: RunContext, cached: bool = True) -> Trained:
    model, plan = build(cell, group, context)
    before, after = state(model), {}
    model = pretrained(model, plan, cell, group)
    if cached:
        assert model.prefix is not None
        for split in ("train", "validation"):
            model.prefix.fill(split, plan.boundaries)
    else:
        model = replace(model, prefix=None)
    learn = solve if plan.solver == "lbfgs" else fit
    result = learn(
        model,
        plan,
        group.splits,
        cell.recipe,
        cell.seed,
        lambda logits: 0.0,
        lambda point: after.update(state(model)),
    )
    return Trained(model, plan, before, after, result)


def state(model: Model) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.parameters().items()}


@pytest.fixture(scope="session")
def trained(toy_cell: MakeCell, group: CellGroup, toy_context: RunContext) -> Callable[[str], Trained]:
    """Trains each strategy once."""
    known: dict[str, Trained] = {}

    def once(name: str) -> Trained:
        if name not in known:
            known[name] = train(toy_cell(name), group, toy_context)
        return known[name]

    return once


@pytest.fixture(scope="session")
def ran(toy_cell: MakeCell, group: CellGroup, toy_context: RunContext) -> Callable[[str], tuple[Record, Any]]:
    """Runs a cell of each strategy once."""
    return cache(lambda name: run_cell(toy_cell(name), group, toy_context, lambda point: None))


@EVERY
def test_it_says_what_it_is(name: str, plugins: Plugins) -> None:
    assert plugins.strategies[name].name == name
    assert len(plugins.strategies[name].summary) > 10


@pytest.mark.parametrize("name", OWN)
def test_it_cites_its_paper(name: str, plugins: Plugins) -> None:
    paper = plugins.strategies[name].paper
    assert re.fullmatch(r"arXiv \d{4}\.\d{5}", paper)
    assert paper in " ".join((plugins.strategies[name].__doc__ or "").split())


@EVERY
@pytest.mark.parametrize("depth", [0, 6, 12])
def test_its_phases_are_valid_or_it_says_why_they_do_not_fit(name: str, depth: int, plugins: Plugins) -> None:
    strategy = plugins.strategy(name)
    if fits(strategy, depth):
        phases = [phase for phase in strategy.checked_phases(depth) if phase.objective == "task"]
        assert sum(phase.share for phase in phases) == pytest.approx(1)
    else:
        with pytest.raises(BenchError, match=f"'{name}'") as error:
            strategy.checked_phases(depth)
        assert error.value.code == "strategy-does-not-fit"


def fits(strategy: Strategy, depth: int) -> bool:
    """Whether it declares phases for this depth; a refusal is a ValueError, as the contract says."""
    try:
        return bool(strategy.phases(depth))
    except ValueError:
        return False


@EVERY
def test_it_gives_every_parameter_a_rate_in_every_phase(
    name: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    cell = toy_cell(name)
    strategy = toy_context.registry.strategy(cell)
    model, plan = build(cell, group, toy_context)
    phases = strategy.checked_phases(group.given.depth)
    for phase, declared in zip((*plan.pretraining, *plan.phases), phases, strict=True):
        if declared.select:  # which blocks learn is measured
            continue
        rates = {parameter: declared.rate(parameter) for parameter in model.parameters()}
        assert phase.rates == {parameter: rate for parameter, rate in rates.items() if rate}


@EVERY_STEPPING
def test_its_plan_has_the_steps_of_the_budget(
    name: str, trained: Callable[[str], Trained], group: CellGroup
) -> None:
    run = trained(name)
    assert run.plan.steps == 2 * epoch_steps(len(group.splits["train"]), 8)
    assert run.result.steps == run.plan.steps


@EVERY
def test_frozen_parameters_are_bit_identical_after_training(
    name: str, trained: Callable[[str], Trained]
) -> None:
    run = trained(name)
    for parameter, value in run.model.parameters().items():
        if parameter not in run.plan.changing:
            assert torch.equal(value, run.before[parameter]), parameter


@EVERY
def test_everything_that_learns_has_moved(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    assert run.plan.learning
    assert [n for n in run.plan.changing if torch.equal(run.after[n], run.before[n])] == []


@EVERY
def test_the_given_weights_are_never_touched(
    name: str,
    trained: Callable[[str], Trained],
    group: CellGroup,
    toy_cell: MakeCell,
    toy_context: RunContext,
) -> None:
    trained(name)
    given = prepare_group(toy_cell(), toy_context).given.named_parameters()
    assert all(torch.equal(p, given[n]) for n, p in group.given.named_parameters().items())


@EVERY
@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
def test_with_the_prefix_cache_and_without_it_is_one_run(
    name: str,
    task: str,
    toy_cell: MakeCell,
    group_of: Callable[[str], CellGroup],
    toy_context: RunContext,
    trained: Callable[[str], Trained],
) -> None:
    cell, group = toy_cell(name, task), group_of(task)
    if toy_context.registry.incompatible(cell):
        pytest.skip("not for this kind of task")
    cached = trained(name) if task == "toy-sentiment" else train(cell, group, toy_context)
    plain = train(cell, group, toy_context, cached=False)
    assert [p.loss for p in cached.result.curve] == pytest.approx(
        [p.loss for p in plain.result.curve], abs=1e-5
    )
    assert [p.train_loss for p in cached.result.curve] == pytest.approx(
        [p.train_loss for p in plain.result.curve], abs=1e-5
    )


@EVERY
def test_a_cell_twice_gives_identical_predictions_and_another_seed_does_not(
    name: str,
    ran: Callable[[str], tuple[Record, Any]],
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
) -> None:
    cell, (first, tests) = toy_cell(name), ran(name)
    other, _ = run_cell(toy_cell(name, seed=1), group, toy_context, lambda point: None)
    second, again = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert tests == again
    assert curve(first) == curve(second)
    assert curve(first) != curve(other)


def curve(record: Record) -> list[tuple[float, float]]:
    return [(point.train_loss, point.loss) for point in record.curve]


@EVERY_STEPPING
def test_dropout_is_active_in_exactly_the_blocks_that_learn(
    name: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    cell = toy_cell(name)
    model, plan = build(cell, group, toy_context)
    seen: list[dict[int, set[bool]]] = []

    def note(module: nn.Module, inputs: Any) -> None:
        if torch.is_grad_enabled():
            seen.append({block: dropouts(model, block) for block in range(model.backbone.depth + 1)})

    model.head.register_forward_pre_hook(note)
    fit(model, plan, group.splits, cell.recipe, 0, lambda logits: 0.0, lambda point: None)
    phases = [phase for phase in plan.phases for _ in range(phase.steps)]
    assert len(seen) == len(phases)
    for phase, found in zip(phases, seen, strict=True):
        learning = {block_of(parameter) for parameter in phase.rates if not parameter.startswith("head.")}
        assert found == {block: {block in learning} for block in found}


def dropouts(model: Model, block: int) -> set[bool]:
    """Whether the dropout layers of a block are active."""
    modules = [part for module in model.backbone.modules_of(block) for part in module.modules()]
    return {module.training for module in modules if isinstance(module, nn.Dropout)}


@EVERY_STEPPING
def test_one_optimizer_serves_all_phases_and_keeps_its_moments(
    name: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted(monkeypatch, "AdamW")
    run = train(toy_cell(name), group, toy_context)
    optimizer = made[-1]
    assert len(made) == 1 + len(run.plan.pretraining)
    assert optimizer.param_groups
    held = 0
    for group in optimizer.param_groups:
        (master,) = group["params"]
        held += int((master != 0).sum())
        learnt = sum(p.steps for p, rate in zip(run.plan.phases, group["active"], strict=True) if rate)
        assert int(optimizer.state[master]["step"]) == learnt
    parameters = run.model.parameters()
    assert held == sum(int((parameters[name] != 0).sum()) for name in run.plan.learning)


@EVERY
def test_it_starts_from_the_given_weights_unless_it_says_otherwise(
    name: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    strategy = toy_context.registry.strategy(toy_cell(name))
    model, _ = build(toy_cell(name), group, toy_context)
    given = group.given.named_parameters()
    same = [torch.equal(p, given[n]) for n, p in model.backbone.named_parameters().items() if n in given]
    if strategy.pretrained:
        assert all(same)
    else:
        matrices = [n for n, p in given.items() if p.dim() == 2]
        parameters = model.backbone.named_parameters()
        assert not any(torch.equal(parameters[n], given[n]) for n in matrices)


@EVERY
def test_its_record_is_complete(name: str, ran: Callable[[str], tuple[Record, Any]]) -> None:
    record, tests = ran(name)
    assert (record.status, record.reason) == ("done", "")
    missing = {
        "reason",
        "adaptations",
        "trials",
        "scorer",
        "chosen",
        "serving",
        "forgetting",
        "language_loss",
    }
    assert {field for field, value in record if not value} <= missing
    assert set(record.scores["test"]) == {metric.name for metric in record.metrics}
    assert all(0 <= score <= 1 for score in record.scores["test"].values())
    assert record.seconds.cold == pytest.approx(
        record.seconds.prepare + record.seconds.prefix + record.seconds.train + record.seconds.evaluate
    )
    assert 0 < record.trainable <= record.parameters
    assert record.data is not None
    assert {len(column) for column in tests["test"].values()} == {record.data.sizes["test"]}
    assert Record.model_validate_json(record.to_json()) == record


@pytest.mark.parametrize("name", ["frozen", "probe", "full"])
def test_a_head_on_a_lower_layer_leaves_the_upper_ones_out(
    name: str, toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell(name, recipe=replace(toy_recipe, layers=2))
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    whole, _ = run_cell(
        toy_cell(name), prepare_group(toy_cell(name), toy_context), toy_context, lambda point: None
    )
    assert record.status == "done"
    assert record.parameters < whole.parameters


@pytest.mark.parametrize("features", ["last-4", "mix"])
@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner"])
@pytest.mark.parametrize("name", ["frozen", "probe"])
def test_a_frozen_encoder_may_give_the_head_several_layers(
    name: str, task: str, features: str, toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell(name, task, recipe=replace(toy_recipe, features=features))
    group = prepare_group(cell, toy_context)
    record, _ = run_cell(cell, group, toy_context, lambda point: None)
    assert record.status == "done"
    if name == "frozen":
        cached, plain = (train(cell, group, toy_context, cached) for cached in (True, False))
        assert [p.loss for p in cached.result.curve] == pytest.approx(
            [p.loss for p in plain.result.curve], abs=1e-5
        )


def test_an_encoder_that_learns_gives_its_last_layer_alone(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell("full", recipe=replace(toy_recipe, features="mix"))
    with pytest.raises(BenchError) as error:
        run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert error.value.code == "features-need-frozen-encoder"
