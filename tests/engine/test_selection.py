"""Blocks chosen by their gradients, and layers that start anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from bench.contracts import BenchError, Cell, Phase, Strategy, block_of
from bench.data.batches import shuffled
from bench.engine import selection
from bench.engine.cell import build, run_cells
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.model import Model
from bench.engine.selection import BATCHES, select, selected
from bench.engine.training import derived_seed

MakeCell = Callable[..., Cell]


@pytest.fixture
def group(toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell("surgical"), toy_context)


def plainly(group: CellGroup, head: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of each block on the first batches of seed 0, and the weights of each but for the table of
    words: sums of norms, by the library's own model."""
    plain, split = group.given.copy().model.eval(), group.splits["train"]  # pyright: ignore[reportAttributeAccessIssue]
    order = shuffled(split.lengths, 8, derived_seed(0, "order"))
    norms: dict[str, float] = {}
    for _ in range(BATCHES):
        plain.zero_grad()
        batch = split.batch(next(order))
        hidden = plain(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state
        weights = batch.mask[..., None].float()
        pooled = (hidden * weights).sum(1) / weights.sum(1)
        F.cross_entropy(F.linear(pooled, *head), batch.targets).backward()
        for name, parameter in plain.named_parameters():
            norms[name] = norms.get(name, 0.0) + float(parameter.grad.norm())
    found = np.zeros((2, group.given.depth + 1))
    for block in range(group.given.depth + 1):
        prefix = f"encoder.layer.{block - 1}." if block else "embeddings."
        for name, parameter in plain.named_parameters():
            if name.startswith(prefix):
                found[0, block] += norms[name]
                if name != "embeddings.word_embeddings.weight":
                    found[1, block] += float(parameter.detach().norm())
    return found[0], found[1]


@pytest.mark.parametrize("size", [1.0, 1e-3])
@pytest.mark.parametrize(("nearly", "chosen"), [(0.999, True), (1.001, False)])
def test_blocks_are_chosen_by_gradients_over_weights_to_the_digit(
    size: float, nearly: float, chosen: bool, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    """With a table of words so heavy that the embeddings come just before or behind the best layer; and with a head
    of small weights, so that all gradients are small."""
    model, plan = build(toy_cell("surgical"), group, toy_context)
    everything = build(toy_cell("full"), group, toy_context)[1].phases[0]
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.mul_(size)
    gradients, weights = plainly(group, [p.detach().clone() for p in model.head.parameters()])
    best = 1 + int((gradients[1:] / weights[1:]).argmax())
    table = nearly * gradients[0] * weights[best] / gradients[best] - weights[0]
    assert table > 0
    plan = replace(plan, phases=(replace(everything, select=1),))
    fresh = replace(model, backbone=group.given.copy(), prefix=None)
    found = select(fresh, plan, group.splits["train"], toy_cell().recipe, 0, table)
    assert found == {0: {0 if chosen else best}}
    assert BATCHES == 8


class LateChoice(Strategy):
    """The head alone, then with the block whose gradient is largest."""

    name = "late-choice"
    summary = "the head, then one block more"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(0.5), Phase(0.5, (("*", 1e-4),), select=1))


def test_a_phase_that_selects_may_follow_one_that_does_not(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "late-choice", LateChoice)
    _, plan = build(toy_cell("late-choice"), group, toy_context)
    learning = [{block_of(n) for n in phase.rates if not n.startswith("head.")} for phase in plan.phases]
    assert [len(blocks) for blocks in learning] == [0, 1]
    assert all(any(name.startswith("head.") for name in phase.rates) for phase in plan.phases)


def test_gradients_are_measured_without_dropout(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[bool] = []
    real = selection.accumulate

    def noted(model: Model, *given: Any) -> torch.Tensor:
        modes.extend(
            module.training for part in (model.head, *model.encoder_modules()) for module in part.modules()
        )
        return real(model, *given)

    monkeypatch.setattr(selection, "accumulate", noted)
    build(toy_cell("surgical"), group, toy_context)
    assert modes
    assert not any(modes)


def test_the_block_with_the_largest_relative_gradient_learns(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, tiny_encoder: Path
) -> None:
    model, plan = build(toy_cell("surgical"), group, toy_context)
    (phase,) = plan.phases
    learning = {block_of(name) for name in phase.rates if not name.startswith("head.")}

    head = [p.detach() for n, p in model.parameters().items() if n.startswith("head.")]
    table = load_file(tiny_encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert len(table) > group.given.rows
    gradients, weights = plainly(group, head)
    ratios = gradients / (weights + float(table.norm()) * (np.arange(len(weights)) == 0))
    assert learning == {int(ratios.argmax())}
    assert selected(plan) == {"block": int(ratios.argmax())}
    assert phase.frozen == int(ratios.argmax())


def test_the_record_names_the_block_that_was_chosen(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    _, plan = build(toy_cell("surgical"), group, toy_context)
    (outcome,) = run_cells([toy_cell("surgical")], group, toy_context, lambda cell, point: None)
    assert not isinstance(outcome, BaseException)
    record, _ = outcome
    assert record.chosen == selected(plan)
    assert record.chosen["block"] in range(5)


def test_several_chosen_blocks_are_numbered(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    _, plan = build(toy_cell("full"), group, toy_context)
    rates = {name: rate for name, rate in plan.phases[0].rates.items() if block_of(name) in (1, 3)}
    chosen = replace(plan, phases=(replace(plan.phases[0], rates=rates, select=2),))
    assert selected(chosen) == {"block-1": 1, "block-2": 3}


def test_words_that_a_task_lacks_count_among_the_weights(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, tiny_encoder: Path
) -> None:
    table = load_file(tiny_encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert group.table_norm == pytest.approx(float(table.norm()))
    assert group.table_norm > float(group.given.table.weight.detach().norm())
    assert build(toy_cell("surgical"), group, toy_context)[1].phases[0].frozen == 0
    heavy = replace(group, table_norm=1e9)
    assert build(toy_cell("surgical"), heavy, toy_context)[1].phases[0].frozen > 0


@pytest.mark.parametrize(("block", "learns"), [(0, 0), (2, 2), (-1, 4), (-5, 0)])
def test_a_block_may_be_named(
    block: int, learns: int, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    _, plan = build(toy_cell("surgical", options=(("block", block),)), group, toy_context)
    assert {block_of(n) for n in plan.learning if not n.startswith("head.")} == {learns}
    assert selected(plan) == {}, "it was named, not chosen"


@pytest.mark.parametrize("block", [5, -6, "first"])
def test_a_block_that_is_not_there_is_refused(
    block: object, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    with pytest.raises(BenchError) as error:
        build(toy_cell("surgical", options=(("block", block),)), group, toy_context)
    assert error.value.code == "strategy-does-not-fit"


@pytest.mark.parametrize("strategy", ["full", "frozen", "lora"])
def test_the_top_layers_start_anew_and_the_others_do_not(
    strategy: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    given = group.given.named_parameters()
    model, plan = build(toy_cell(strategy, options=(("reinit", 2),)), group, toy_context)
    other, _ = build(toy_cell(strategy, seed=1, options=(("reinit", 2),)), group, toy_context)
    others = other.backbone.named_parameters()
    matrices = 0
    for name, parameter in model.backbone.named_parameters().items():
        base = name.replace(".base_layer", "")
        if base not in given:
            continue
        anew = block_of(name) in (3, 4)
        if parameter.dim() == 2:
            matrices += anew
            assert torch.equal(parameter, given[base]) is not anew, name
            assert torch.equal(parameter, others[name]) is not anew, name
            if anew:  # the deviation that the configuration of the tiny encoder states
                assert float(parameter.detach().std()) == pytest.approx(0.1, rel=0.1)
        elif anew:
            assert set(parameter.detach().tolist()) <= {0.0, 1.0}, name
    assert matrices == 12
    # activations of layers that start anew are no other strategy's
    assert all(not phase.shared for phase in plan.phases if phase.frozen > 3)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((("reinit", 5),), "strategy-does-not-fit"),
        ((("reinit", -1),), "strategy-does-not-fit"),
        ((("average", "mean"),), "wrong-option"),
        ((("anchor", float("nan")),), "wrong-option"),
        ((("reinit", 1.5),), "wrong-option"),
    ],
)
def test_options_of_every_strategy_are_checked(
    options: tuple[tuple[str, object], ...], code: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    for strategy in ("full", "frozen"):
        with pytest.raises(BenchError) as error:
            toy_context.registry.strategy(toy_cell(strategy, options=options)).checked_phases(4)
        assert error.value.code == code


def test_scratch_takes_no_option_that_needs_given_weights(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell("scratch", options=(("reinit", 1),))
    with pytest.raises(BenchError) as error:
        toy_context.registry.strategy(cell).checked_phases(4)
    assert error.value.code == "wrong-option"
