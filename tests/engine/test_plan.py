"""The plan: steps, rates by name, frozen depth, and which frozen prefixes may be shared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pytest

from bench.contracts import FROZEN, BenchError, Phase, Recipe, Strategy
from bench.engine.plan import Parameters, Plan
from strategies.bitfit import BitFit
from strategies.frozen import Frozen
from strategies.full import Full
from strategies.gradual import Gradual
from strategies.scratch import Scratch
from strategies.top_layers import TopLayers

DEPTH = 4
NAMES = (
    "embeddings.word_embeddings.weight",
    "embeddings.norm.bias",
    *(f"layers.{i}.dense.{part}" for i in range(DEPTH) for part in ("weight", "bias")),
    "head.map.1.weight",
    "head.map.1.bias",
)


@dataclass(frozen=True)
class Given(Strategy):
    name = "given"
    summary = "phases from a test"
    stages: tuple[Phase, ...] = ()

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return self.stages


def plan(
    strategy: Strategy,
    epochs: float = 1,
    steps: int = 100,
    rate_scale: float = 1,
    changed: Collection[int] = (),
) -> Plan:
    recipe = Recipe(epochs=epochs, rate_scale=rate_scale)
    return Plan.of(strategy, Parameters(NAMES, DEPTH, frozenset(changed)), recipe, steps)


def only(*patterns: str, share: float = 1.0) -> Phase:
    """A phase in which these patterns learn, and the head."""
    return Phase(share, (*((pattern, 1e-4) for pattern in patterns), ("*", FROZEN)))


@pytest.mark.parametrize(
    ("shares", "total", "steps"),
    [
        ((1.0,), 100, [100]),
        ((0.5, 0.5), 100, [50, 50]),
        ((0.5, 0.5), 7, [4, 3]),
        ((1 / 3, 1 / 3, 1 / 3), 100, [33, 34, 33]),
        ((0.001, 0.999), 100, [1, 99]),
        ((0.999, 0.001), 100, [99, 1]),
        ((0.25,) * 4, 4, [1, 1, 1, 1]),
        ((0.25,) * 4, 1, [1, 1, 1, 1]),  # a phase has one step at least
    ],
)
def test_steps_follow_the_shares(shares: tuple[float, ...], total: int, steps: list[int]) -> None:
    planned = plan(Given(tuple(only("*", share=share) for share in shares)), steps=total)
    assert [phase.steps for phase in planned.phases] == steps
    assert planned.steps == sum(steps)


def test_the_budget_may_be_a_part_of_an_epoch() -> None:
    assert plan(Full(), epochs=0.25, steps=100).steps == 25
    assert plan(Full(), epochs=2.5, steps=101).steps == 252


@pytest.mark.parametrize(
    ("phase", "frozen"),
    [
        (only("*"), 0),
        (only("layers.*"), 1),
        (only("layers.2.*", "layers.3.*"), 3),
        (only("layers.3.*"), 4),
        (only(), 5),
        (only("layers.0.*"), 1),
        (only("layers.1.*", "layers.3.*"), 2),
        (only("embeddings.*", "layers.3.*"), 0),
        (only("*.bias"), 0),
    ],
)
def test_the_frozen_depth_is_the_number_of_leading_blocks_without_learning(phase: Phase, frozen: int) -> None:
    assert plan(Given((phase,))).phases[0].frozen == frozen


def test_rates_are_those_of_the_strategy_times_the_scale() -> None:
    (phase,) = plan(TopLayers(layers=1, rate=1e-4, head_rate=1e-3), rate_scale=3).phases
    assert phase.rates == pytest.approx(
        {
            "layers.3.dense.weight": 3e-4,
            "layers.3.dense.bias": 3e-4,
            "head.map.1.weight": 3e-3,
            "head.map.1.bias": 3e-3,
        }
    )


def test_discriminative_rates_fall_from_the_top() -> None:
    last = plan(Gradual(rate=1.0, decay=0.5)).phases[-1].rates
    assert [last[f"layers.{i}.dense.weight"] for i in range(DEPTH)] == [0.125, 0.25, 0.5, 1.0]
    assert last["embeddings.word_embeddings.weight"] == 0.0625


def test_gradual_thaws_from_the_top() -> None:
    assert [phase.frozen for phase in plan(Gradual(stages=5)).phases] == [5, 4, 3, 2, 0]


def test_what_learns_in_some_phase_is_listed_with_its_rate_in_each() -> None:
    planned = plan(Given((only("layers.3.*", share=0.5), only("layers.2.*", share=0.5))))
    assert planned.learning["layers.3.dense.bias"] == (1e-4, 0.0)
    assert planned.learning["layers.2.dense.bias"] == (0.0, 1e-4)
    assert "layers.1.dense.bias" not in planned.learning


def test_untrained_prefixes_are_shared() -> None:
    planned = plan(Gradual(stages=5))
    assert all(phase.shared for phase in planned.phases)
    assert planned.boundaries == (2, 3, 4, 5)


def test_a_prefix_with_a_block_that_was_trained_before_is_not_shared() -> None:
    """Chain-thaw (arXiv 1708.00524): each layer alone, then everything."""
    chain = Given(
        (
            only(share=0.25),
            only("layers.1.*", share=0.25),
            only("layers.3.*", share=0.25),
            only("*", share=0.25),
        )
    )
    phases = plan(chain).phases
    assert [phase.frozen for phase in phases] == [5, 2, 4, 0]
    assert [phase.shared for phase in phases[:3]] == [True, True, False]
    assert plan(chain).boundaries == (2, 5)


def test_a_prefix_below_a_block_that_was_trained_before_is_shared() -> None:
    phases = plan(Given((only("layers.3.*", share=0.5), only("layers.2.*", share=0.5)))).phases
    assert [(phase.frozen, phase.shared) for phase in phases] == [(4, True), (3, True)]


def test_embeddings_that_were_trained_before_spoil_every_prefix() -> None:
    phases = plan(Given((only("embeddings.*", share=0.5), only("layers.0.*", share=0.5)))).phases
    assert (phases[1].frozen, phases[1].shared) == (1, False)


def test_random_weights_are_never_shared() -> None:
    assert plan(Scratch()).boundaries == ()

    @dataclass(frozen=True)
    class RandomFrozen(Frozen):
        pretrained = False

    assert not plan(RandomFrozen()).phases[0].shared


def test_blocks_with_inserted_modules_are_not_shared() -> None:
    assert plan(Frozen(), changed={2}).boundaries == ()
    assert plan(TopLayers(layers=2), changed={3, 4}).boundaries == (3,)


def test_biases_of_the_embeddings_leave_no_prefix() -> None:
    assert plan(BitFit()).boundaries == ()


def test_an_uncovered_parameter_is_named() -> None:
    with pytest.raises(BenchError, match=r"'given', phase 1: .*embeddings\.word_embeddings\.weight") as error:
        plan(Given((Phase(1.0, (("layers.*", 1e-4),)),)))
    assert error.value.code == "parameter-without-rate"


def test_more_phases_than_steps_are_said_and_no_others() -> None:
    two = Given((Phase(0.5), Phase(0.5)))
    assert plan(two, steps=1).over_budget == ("2 steps, one for each phase, where the recipe gives 1",)
    assert plan(two, steps=2).over_budget == plan(two, steps=100).over_budget == ()


def test_so_they_are_where_the_recipe_gives_less_than_half_a_step() -> None:
    two = Given((Phase(0.5), Phase(0.5)))
    given = plan(two, epochs=0.5, steps=1)
    assert given.over_budget == ("2 steps, one for each phase, where the recipe gives 0",)
    assert plan(Full(), epochs=0.5, steps=1).over_budget == ()  # no strategy takes less than one
    assert Plan(given.phases).over_budget == ()  # without a recipe
