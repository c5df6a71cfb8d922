"""When blocks freeze, and what is kept of them, on numbers that are written out here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from bench.contracts import FROZEN, Cell, Phase, Recipe, Strategy
from bench.engine.cell import build, train
from bench.engine.cost import training_flops
from bench.engine.freezing import Freezing, _move
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.memory import Budget
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prefix import Prefix, Storage
from bench.engine.training import fit
from tests.engine.test_cost_by_hand import LENGTHS, Encoder
from tests.engine.test_cost_by_hand import RECIPE as TWO_STEPS

MakeCell = Callable[..., Cell]
RATES = {"layers.0.w": 1e-3, "layers.1.w": 1e-3, "layers.2.w": 1e-3}


@dataclass
class Gradients:
    """An optimizer that gives these sums of gradients, one each time that it is asked."""

    totals: list[dict[int, float]]
    asked: int = 0

    def take_totals(self) -> dict[int, float]:
        self.asked += 1
        return self.totals[self.asked - 1]


@dataclass
class Steps:
    """A workspace without steps, of a model without a cache. entered: the phases that it was told to begin."""

    optimizer: Gradients
    phase: PlannedPhase
    model: Any = field(default_factory=lambda: SimpleNamespace(prefix=None))
    entered: list[tuple[int, int, int]] = field(default_factory=list)

    def enter(self, number: int, phase: PlannedPhase) -> None:
        self.entered.append((number, phase.frozen, phase.steps))


def frozen_at(*passes: tuple[int, dict[int, float]], steps: int = 100) -> Steps:
    """What a workspace is told where validation passes come after these steps with these sums of gradients."""
    phase = PlannedPhase(steps, RATES, 0, shared=True, freeze=50.0)
    left_over = {1: 1e6, 2: 1.0, 3: 1e6}  # of a phase before
    workspace: Any = Steps(Gradients([left_over, *(sums for _, sums in passes)]), phase)
    freezing = Freezing(workspace, 5)
    freezing.enter(1, phase)
    for step, _ in passes:
        freezing.advance(step)
    assert [(one.phase, one.frozen) for one in freezing.boundaries] == [
        (number, frozen) for number, frozen, _ in workspace.entered[1:]
    ]
    assert {one.kept for one in freezing.boundaries} <= {0}  # there is no cache
    return workspace


def test_gradients_of_a_step_are_compared_where_intervals_differ() -> None:
    """After two steps and after four more: the first layer's gradient is as large as before by the step, those of
    the others are a quarter and twice as large. Embeddings play no part."""
    found = frozen_at((2, {0: 9.0, 1: 4.0, 2: 4.0}), (6, {0: 1.0, 1: 8.0, 2: 2.0}))
    assert found.entered == [(1, 0, 100), (1, 2, 94)]
    found = frozen_at((2, {0: 9.0, 1: 4.0, 2: 4.0}), (6, {0: 1.0, 1: 8.0, 2: 16.0}))
    assert found.entered == [(1, 0, 100), (1, 2, 94)]


def test_the_first_layer_stays_where_it_has_not_settled() -> None:
    found = frozen_at((2, {1: 4.0, 2: 4.0}), (6, {1: 16.0, 2: 8.0}), (8, {1: 8.0, 2: 4.0}))
    assert found.entered == [(1, 0, 100)]


def test_each_pass_is_compared_with_the_one_before() -> None:
    first, second = {1: 4.0, 2: 4.0, 3: 4.0}, {1: 8.0, 2: 4.0, 3: 4.0}
    found = frozen_at((2, first), (4, second), (6, {1: 8.0, 2: 8.0, 3: 6.0}))
    assert found.entered == [(1, 0, 100), (1, 2, 94)]


def test_nothing_freezes_at_the_end_of_a_phase() -> None:
    before, after = {1: 4.0, 2: 4.0}, {1: 4.0, 2: 8.0}
    assert frozen_at((2, before), (4, after), steps=5).entered == [(1, 0, 5), (1, 2, 1)]
    at_the_end = frozen_at((2, before), (4, after), steps=4)
    assert at_the_end.entered == [(1, 0, 4)]
    assert at_the_end.optimizer.asked == 2


# --------------------------------------------------------------------------------------------------
# The cache


def test_activations_at_a_boundary_take_the_place_of_those_before(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """Where there is room for them; else the ones before are still worth having."""
    group = prepare_group(toy_cell(task="toy-ner"), toy_context)
    size = group.splits["train"].tokens * group.given.width * 4
    for room, kept in ((2.5, [3]), (1.5, [2])):
        storage = Storage(Budget({"memory": room * size}))
        cache = Prefix(group.given, group.splits, group.prefix._head, toy_context.device, storage)
        cache.fill("train", (2,))
        _move(cache, "train", 3)
        assert [boundary for boundary in (2, 3) if cache.features("train", boundary) is not None] == kept


EVERYTHING, UPPER = (("*", 1e-3),), (("embeddings.*", FROZEN), ("layers.0.*", FROZEN), ("*", 1e-3))


class Twice(Strategy):
    """Blocks freeze in each of two phases."""

    name = "twice"
    summary = "everything learns and freezes, twice"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(0.5, EVERYTHING, freeze=90.0), Phase(0.5, EVERYTHING, freeze=90.0))


class LowestFirst(Strategy):
    """The lowest layer learns, then those above it, which freeze: what is kept of given weights does not do."""

    name = "lowest-first"
    summary = "the lowest layer, then the others, which freeze"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(0.3, (("layers.0.*", 1e-2), ("*", FROZEN))), Phase(0.7, UPPER, freeze=90.0))


@pytest.mark.parametrize("strategy", [Twice, LowestFirst])
def test_a_cache_of_other_weights_is_never_read(
    strategy: type[Strategy], toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, strategy.name, strategy)
    recipe = Recipe(
        epochs=8,
        batch_size=8,
        max_length=32,
        stride=8,
        evaluations=2,
        patience=99,
        dropout=0,
        encoder_dropout=0,
    )
    cell = toy_cell(strategy.name, recipe=recipe)
    group: CellGroup = prepare_group(cell, toy_context)
    for split in ("train", "validation"):
        group.prefix.fill(split, (2, 3, 4))  # by other strategies
    ran = train(cell, 1.0, group, toy_context, lambda _: None)
    assert any(one.phase == 1 and one.kept for one in ran.fitted.boundaries)
    model, plan = build(cell, group, toy_context)
    again = fit(
        replace(model, prefix=None), plan, group.splits, recipe, 0, lambda logits: 0.0, lambda point: None
    )
    assert [p.loss for p in ran.fitted.curve] == pytest.approx([p.loss for p in again.curve], abs=1e-5)
    assert [(b.phase, b.step, b.frozen) for b in ran.fitted.boundaries] == [
        (b.phase, b.step, b.frozen) for b in again.boundaries
    ]


# --------------------------------------------------------------------------------------------------
# Operations


def test_phases_that_were_not_reached_cost_nothing() -> None:
    backbone: Any = Encoder()
    phases = tuple(PlannedPhase(4, {name: 1e-3}, 0, shared=True) for name in ("layers.0.a", "layers.1.a"))
    both, first = (training_flops(Plan(phases[:n]), backbone, LENGTHS, TWO_STEPS, [2]) for n in (2, 1))
    assert both == first > 0
