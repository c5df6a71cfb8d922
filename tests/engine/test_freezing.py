"""Freezing that grows while a phase trains, against a plain loop that has no cache and no flat buffers."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.contracts import FROZEN, BenchError, Cell, Phase, Recipe, Strategy
from bench.data.batches import epoch_steps, shuffled
from bench.engine import freezing
from bench.engine.cell import build, headline, run_cell, train
from bench.engine.cost import freezing_flops, prefix_flops, training_flops
from bench.engine.freezing import Boundary, as_trained, changes, frozen_after, lowest_unsettled
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.memory import Budget, Share
from bench.engine.plan import Parameters, Plan
from bench.engine.prediction import predict
from bench.engine.training import Fit, derived_seed, fit
from bench.engine.workspace import Workspace
from bench.models.hf_encoder import HuggingFaceEncoder
from strategies.auto_freeze import AutoFreeze
from strategies.full import Full
from strategies.top_layers import TopLayers
from tests.support.families import DEPTH, small_model

MakeCell = Callable[..., Cell]
LONG = Recipe(epochs=5, batch_size=8, max_length=32, stride=8, evaluations=2, patience=100)
STILL = replace(LONG, dropout=0.0, encoder_dropout=0.0)


def group_of(cell: Cell, context: RunContext) -> CellGroup:
    return prepare_group(cell, context)


@dataclass
class Plain:
    """What a plain loop gives: the validation losses, (step, frozen blocks), and logits of the best state."""

    losses: list[float]
    frozen: list[tuple[int, int]]
    test: Tensor
    best: int


def by_a_plain_loop(
    cell: Cell, group: CellGroup, context: RunContext, percentile: float, rate: float
) -> Plain:
    """The rule as one writes it for a BERT of transformers: gradients are added up tensor by tensor, a frozen
    parameter takes no gradient, and every step runs the whole encoder."""
    recipe, split = cell.recipe, group.splits["train"]
    built, _ = build(cell, group, context)
    encoder: Any = group.given.copy()
    bert, head = encoder.model.eval(), [p.detach().clone() for p in built.head.parameters()]
    named = {f"head.{n}": p.requires_grad_() for n, p in zip(("weight", "bias"), head, strict=True)}
    named |= dict(bert.named_parameters())
    layers = {n: int(n.split(".")[2]) for n in named if n.startswith("encoder.layer.")}
    decays = {n: p.dim() > 1 and not n.startswith("embeddings.") for n, p in named.items()}
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p],
                "weight_decay": recipe.weight_decay if decays[n] else 0.0,
                "base": 1e-3 if n.startswith("head.") else rate,
            }
            for n, p in named.items()
        ]
    )

    def logits(batch: Any) -> Tensor:
        hidden = bert(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state
        weights = batch.mask[..., None].float()
        return F.linear((hidden * weights).sum(1) / weights.sum(1), *head)

    def read(name: str) -> Tensor:
        with torch.no_grad():
            return torch.cat(
                [logits(group.splits[name].batch(np.array([i]))) for i in range(len(group.splits[name]))]
            )

    epoch = epoch_steps(len(split), recipe.batch_size)
    steps, every = round(recipe.epochs * epoch), math.ceil(epoch / recipe.evaluations)
    order = shuffled(split.lengths, recipe.batch_size, derived_seed(cell.seed, "order"))
    rising, lowest = recipe.warmup * steps, 0
    total = {n: torch.zeros_like(p) for n, p in named.items()}
    before: dict[int, float] = {}
    found, tests = Plain([], [], torch.empty(0), 0), []
    for step, index in enumerate(itertools.islice(order, steps)):
        batch = split.batch(index)
        F.cross_entropy(logits(batch), batch.targets).backward()
        for name, parameter in named.items():
            if parameter.grad is not None:
                total[name] += parameter.grad
        torch.nn.utils.clip_grad_norm_(list(named.values()), recipe.clip)
        factor = (step + 1) / (rising + 1) if step < rising else (steps - step) / (steps - rising)
        for entry in optimizer.param_groups:
            entry["lr"] = entry["base"] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % every and step + 1 < steps:
            continue
        found.losses.append(float(F.cross_entropy(read("validation"), group.splits["validation"].targets)))
        tests.append(read("test"))
        norms: dict[int, float] = {}
        for name, layer in layers.items():
            norms[layer] = norms.get(layer, 0.0) + float(total[name].abs().sum())
        if before:
            ratios = [
                abs(before[layer] - norms[layer]) / before[layer] for layer in range(lowest, len(norms))
            ]
            threshold = np.percentile(ratios, percentile)
            settled = next(place for place, ratio in enumerate(ratios) if ratio >= threshold)
            if settled and step + 1 < steps:
                lowest += settled
                found.frozen.append((step + 1, lowest + 1))
        before = norms
        for name, parameter in named.items():
            total[name].zero_()
            frozen = name.startswith("embeddings.") if name not in layers else layers[name] < lowest
            parameter.requires_grad_(not (lowest and frozen))
    found.best = int(np.argmin(found.losses))
    found.test = tests[found.best]
    return found


@pytest.mark.parametrize(("percentile", "rate"), [(50.0, 1e-4), (50.0, 3e-3), (90.0, 1e-3)])
def test_it_is_what_a_plain_loop_without_a_cache_gives(
    percentile: float, rate: float, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("auto-freeze", recipe=STILL, options=(("percentile", percentile), ("rate", rate)))
    group = group_of(cell, toy_context)
    expected = by_a_plain_loop(cell, group, toy_context, percentile, rate)
    ran = train(cell, 1.0, group, toy_context, lambda _: None)
    assert [(one.step, one.frozen) for one in ran.fitted.boundaries] == expected.frozen
    assert len(expected.frozen) > 1
    assert [point.loss for point in ran.fitted.curve] == pytest.approx(expected.losses, abs=1e-5)
    logits, _ = predict(ran.model, "test", group.splits["test"], ran.plan.phases[-1])
    np.testing.assert_allclose(logits, expected.test.numpy(), atol=1e-4)


def test_the_best_state_may_be_older_than_a_boundary(toy_cell: MakeCell, toy_context: RunContext) -> None:
    """One of the runs above: test rows must not be read from a cache of later weights."""
    cell = toy_cell("auto-freeze", recipe=STILL, options=(("rate", 3e-3),))
    group = group_of(cell, toy_context)
    plain = by_a_plain_loop(cell, group, toy_context, 50.0, 3e-3)
    step = (plain.best + 1) * math.ceil(epoch_steps(len(group.splits["train"]), 8) / 2)
    assert any(step <= boundary for boundary, _ in plain.frozen)


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("average", ["none", "swa", "wise-ft"])
def test_with_the_cache_and_without_it_is_one_run_with_dropout_too(
    task: str, average: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("auto-freeze", task, recipe=LONG, options=(("average", average), ("anchor", 0.01)))
    group = group_of(cell, toy_context)
    found = []
    for cached in (True, False):
        model, plan = build(cell, group, toy_context)
        model = model if cached else replace(model, prefix=None)
        result = fit(model, plan, group.splits, cell.recipe, 0, lambda _: 0.0, lambda _: None)
        found.append((result, predict(model, "test", group.splits["test"], plan.phases[-1])[0]))
    (kept, logits), (again, others) = found
    assert [(b.step, b.frozen) for b in kept.boundaries] == [(b.step, b.frozen) for b in again.boundaries]
    assert kept.boundaries
    assert any(one.kept for one in kept.boundaries)
    assert not any(one.kept for one in again.boundaries)
    assert [p.loss for p in kept.curve] == pytest.approx([p.loss for p in again.curve], abs=1e-5)
    if task == "toy-qa":  # the softmax over tokens does not see the head's biases: they follow rounding alone
        logits, others = logits - logits.mean(0), others - others.mean(0)
    np.testing.assert_allclose(logits, others, atol=1e-4)


def test_a_cell_twice_gives_the_same_bits(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    (first, tests), (second, again) = (
        run_cell(cell, group_of(cell, toy_context), toy_context, lambda _: None) for _ in range(2)
    )
    assert tests == again
    assert [(p.train_loss, p.loss) for p in first.curve] == [(p.train_loss, p.loss) for p in second.curve]
    assert first.chosen == second.chosen


def test_the_record_says_what_froze_when(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    boundaries = train(cell, 1.0, group, toy_context, lambda _: None).fitted.boundaries
    record, _ = run_cell(cell, group, toy_context, lambda _: None)
    assert record.chosen == {f"frozen-after-step-{b.step}": b.frozen for b in boundaries}
    assert list(record.chosen.values()) == sorted(set(record.chosen.values()))
    assert not record.adaptations


def test_steps_of_phases_before_count() -> None:
    assert frozen_after([Boundary(1, 4, 2, 2)], [10, 8]) == {"frozen-after-step-14": 2}


def test_settled_is_below_the_percentile_and_everything_under_it() -> None:
    assert changes({1: 2.0, 2: 0.0}, {1: 1.0, 2: 0.0}) == {1: 0.5, 2: 0.0}
    assert changes({1: 0.0}, {1: 1.0})[1] > 1e20
    found = {1: 0.1, 2: 0.2, 3: 0.9, 4: 0.1}
    assert lowest_unsettled(found, 50) == 2  # the median is 0.15
    assert lowest_unsettled(found, 80) == 3  # what lies above the first one does not matter
    assert lowest_unsettled(found, 100) == 3
    assert lowest_unsettled(found, 1) == 1
    assert lowest_unsettled({4: 0.0}, 100) == 4
    assert lowest_unsettled({3: 0.5, 4: 0.5}, 100) == 3


def test_the_last_layer_always_learns(toy_cell: MakeCell, toy_context: RunContext) -> None:
    recipe = replace(LONG, epochs=12)
    cell = toy_cell("auto-freeze", recipe=recipe, options=(("percentile", 100.0),))
    group = group_of(cell, toy_context)
    ran = train(cell, 1.0, group, toy_context, lambda _: None)
    assert ran.fitted.boundaries[-1].frozen <= group.given.depth


def passes(group: CellGroup, cell: Cell, context: RunContext) -> tuple[list[int], Fit]:
    """Rows that run through each layer in training, and what training left."""
    model, plan = build(cell, group, context)
    counts = [0] * group.given.depth
    handles = []
    for layer in range(group.given.depth):
        for module in model.backbone.modules_of(layer + 1):

            def count(module: Any, inputs: tuple[Tensor, ...], layer: int = layer) -> None:
                counts[layer] += len(inputs[0])

            handles.append(module.register_forward_pre_hook(count))
    result = fit(model, plan, group.splits, cell.recipe, 0, lambda _: 0.0, lambda _: None)
    for handle in handles:
        handle.remove()
    return counts, result


def test_what_froze_runs_without_dropout(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    model = replace(model, prefix=None)  # so that frozen blocks run in every step
    seen: list[list[bool]] = []

    def note(module: nn.Module, inputs: Any) -> None:
        if torch.is_grad_enabled():
            blocks = [model.backbone.modules_of(block) for block in range(group.given.depth + 1)]
            parts = [{part.training for one in block for part in one.modules()} for block in blocks]
            assert all(len(modes) == 1 for modes in parts)
            seen.append([modes.pop() for modes in parts])

    model.head.register_forward_pre_hook(note)
    result = fit(model, plan, group.splits, cell.recipe, 0, lambda _: 0.0, lambda _: None)
    for step, learn in enumerate(seen):
        frozen = max((b.frozen for b in result.boundaries if b.step <= step), default=0)
        assert learn == [block >= frozen for block in range(len(learn))]
    assert not all(seen[-1])
    assert len(seen) == result.steps


def test_frozen_layers_run_once_more_and_never_again(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    whole, _ = passes(group, replace(cell, strategy="full"), toy_context)
    counts, result = passes(group, cell, toy_context)
    train_rows, rows = len(group.splits["train"]), len(group.splits["validation"])
    order = shuffled(group.splits["train"].lengths, 8, derived_seed(0, "order"))
    sizes = [len(index) for index in itertools.islice(order, result.steps)]
    for layer in range(group.given.depth):
        after = next((b.step for b in result.boundaries if b.frozen > layer + 1), None)
        if after is None:
            assert counts[layer] == whole[layer]
            continue
        left = len(sizes) - after
        if left < epoch_steps(train_rows, 8):
            continue  # see the next test
        passed = sum(point.step <= after for point in result.curve)
        assert counts[layer] == sum(sizes[:after]) + train_rows + (passed + 1) * rows
        assert counts[layer] < whole[layer]


def test_in_the_last_epoch_only_rows_that_still_come_are_run(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "lowest_unsettled", lambda changed, percentile: max(changed))
    recipe = replace(LONG, epochs=1.5, evaluations=3)
    cell = toy_cell("auto-freeze", recipe=recipe)
    group = group_of(cell, toy_context)
    whole, full = passes(group, replace(cell, strategy="full"), toy_context)
    counts, result = passes(group, cell, toy_context)
    first = result.boundaries[0]
    assert first.kept == 0, "fewer steps are left than an epoch has"
    passed = sum(point.step > first.step for point in full.curve)
    rows = len(group.splits["validation"])
    assert whole[0] - counts[0] == (passed - 1) * rows, "validation rows are kept even so"


def test_what_is_saved_is_counted() -> None:
    encoder = HuggingFaceEncoder(small_model("bert"), "bert")
    parameters = Parameters([*encoder.named_parameters(), "head.weight"], DEPTH)
    lengths, recipe = np.full(64, 12), Recipe(batch_size=8)

    def planned(strategy: Strategy) -> Plan:
        return Plan.of(strategy, parameters, recipe, 8)

    def flops(strategy: Strategy, steps: int) -> float:
        return training_flops(planned(strategy), encoder, lengths, recipe, [steps])

    top, plan = TopLayers(layers=DEPTH - 1), planned(AutoFreeze())
    grown, steps = as_trained(plan, [24], [Boundary(0, 4, 2, 2)])
    assert steps == (4, 20)
    found = training_flops(grown, encoder, lengths, recipe, steps)
    assert found == pytest.approx(flops(Full(), 4) + flops(top, 20))
    kept = freezing_flops(plan, [Boundary(0, 4, 2, 2)], encoder, lengths)
    assert kept == pytest.approx(prefix_flops(planned(top), encoder, lengths))
    assert found + kept < flops(Full(), 24)
    unkept, steps = as_trained(plan, [24], [Boundary(0, 20, 2, 0)])
    assert training_flops(unkept, encoder, lengths, recipe, steps) == pytest.approx(
        flops(Full(), 20) + flops(top, 4) + kept * 4 / 8
    )


def test_flops_of_the_record_fall(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    record, _ = run_cell(cell, group, toy_context, lambda _: None)
    whole, _ = run_cell(replace(cell, strategy="full"), group, toy_context, lambda _: None)
    assert record.flops < whole.flops
    assert record.trainable == whole.trainable


def test_the_cache_gives_back_what_it_took(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    budget = Budget({"memory": 1e6})
    group.prefix._storage = replace(group.prefix._storage, budget=budget)
    assert any(b.kept for b in train(cell, 1.0, group, toy_context, lambda _: None).fitted.boundaries)
    gc.collect()
    assert budget.place(int(1e6)) == "memory"


def test_a_share_of_a_budget_is_given_back_once() -> None:
    budget = Budget({"memory": 10})
    share = Share(budget)
    assert share.place(("train", 1), 6) == "memory"
    assert share.place(("train", 2), 6) is None
    share.release(("train", 1))
    share.release(("train", 1))
    assert share.place(("train", 2), 10) == "memory"
    assert budget.place(1) is None
    del share
    assert budget.place(10) == "memory"


def test_capturing_a_step_leaves_the_sums_of_gradients_alone(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("auto-freeze", recipe=STILL)
    group = group_of(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    workspace = Workspace(model, plan, group.splits["train"], cell.recipe)
    workspace.enter(0, plan.phases[0])
    stretch = workspace.stretch([np.arange(8)], [1.0])
    workspace.run(stretch, 0)
    with workspace.optimizer.preserved():
        workspace.run(stretch, 0)
    once = workspace.optimizer.take_totals()
    assert set(once) == set(range(group.given.depth + 1))
    assert all(once.values())
    assert not any(workspace.optimizer.take_totals().values())
    with workspace.optimizer.preserved():
        workspace.run(stretch, 0)
    assert not any(workspace.optimizer.take_totals().values())


def test_moments_and_schedule_go_on_above_a_boundary(toy_cell: MakeCell, toy_context: RunContext) -> None:
    """What froze keeps its steps and moments; what learns counts all steps of the phase."""
    cell = toy_cell("auto-freeze", recipe=LONG)
    group = group_of(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    workspace = Workspace(model, plan, group.splits["train"], cell.recipe)
    (phase,) = plan.phases
    workspace.enter(0, phase)
    stretch = workspace.stretch([np.arange(8)], [1.0])
    workspace.run(stretch, 0)
    workspace.enter(0, phase.above(2, 0))
    workspace.run(stretch, 1)
    steps = {
        g.block: int(workspace.optimizer._adamw.state[g.master]["step"]) for g in workspace.optimizer.groups
    }
    assert steps == {-1: 2, 0: 1, 1: 1, 2: 2, 3: 2, 4: 2}


class TwoPhases(Strategy):
    """The head, then the upper layers, which freeze from below."""

    name = "two-phases"
    summary = "the head, then the upper layers, which freeze from below"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        upper = (("embeddings.*", FROZEN), ("layers.0.*", FROZEN), ("*", 1e-3))
        return (Phase(0.3), Phase(0.7, upper, freeze=90.0))


def test_it_starts_from_what_the_phase_had_frozen(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of the given weights is the source of the cell's own, and a later phase starts anew."""
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "two-phases", TwoPhases)
    cell = toy_cell("two-phases", recipe=STILL)
    group = group_of(cell, toy_context)
    ran = train(cell, 1.0, group, toy_context, lambda _: None)
    assert ran.plan.phases[1].frozen == 2
    assert all(one.phase == 1 and one.frozen > 2 for one in ran.fitted.boundaries)
    assert ran.fitted.boundaries
    model, plan = build(cell, group, toy_context)
    again = fit(
        replace(model, prefix=None),
        plan,
        group.splits,
        cell.recipe,
        0,
        lambda logits: headline(group, cell.recipe, logits),
        lambda _: None,
    )
    assert [p.loss for p in ran.fitted.curve] == pytest.approx([p.loss for p in again.curve], abs=1e-5)
    assert [b.frozen for b in again.boundaries] == [b.frozen for b in ran.fitted.boundaries]
    given = group.prefix.features("train", 2)
    assert given is not None, "it stays in the cache that it was borrowed from"


@pytest.mark.parametrize("percentile", [-1.0, 101.0, math.nan, "half", True])
def test_no_percentile_is_refused(percentile: object, toy_cell: MakeCell, toy_context: RunContext) -> None:
    wrong: Any = percentile
    with pytest.raises(BenchError) as error:
        AutoFreeze(percentile=wrong).checked_phases(4)
    assert error.value.code == "wrong-phase"


@pytest.mark.parametrize(
    "phase",
    [
        Phase(1.0, freeze=50.0),
        Phase(1.0, solver="lbfgs", freeze=50.0),
        Phase(1.0, (("*", 1e-4),), objective="masked-lm", freeze=50.0),
    ],
)
def test_a_phase_in_which_nothing_could_freeze_is_refused(phase: Phase) -> None:
    assert phase.wrong(alone=True)
    assert not replace(phase, freeze=0.0).wrong(alone=True)
