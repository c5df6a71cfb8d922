"""Operations of training, against sums on paper, and what a record makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Recipe
from bench.engine.cell import build, run_cell
from bench.engine.cost import freezing_flops, prefix_flops, pretraining_flops, training_flops
from bench.engine.freezing import Boundary, as_trained, changes, frozen_after
from bench.engine.group import RunContext, prepare_group
from bench.engine.plan import Plan, PlannedPhase, Pretraining
from bench.engine.speeds import Speeds

MakeCell = Callable[..., Cell]


WIDTH, LENGTHS = 3, np.array([2, 3, 4])
TOKENS, SQUARES = 9, 4 + 9 + 16
FIRST, SECOND = 10, 24  # values of the matrices of each layer
ATTENTION = 4 * WIDTH * SQUARES
"""Of a forward pass of a layer over the rows."""
RECIPE = Recipe(batch_size=2)  # two steps an epoch


class Encoder:
    """Two layers, of 4 + 6 and of 24 values in matrices; biases and embeddings do not count."""

    depth, width = 2, WIDTH

    def __init__(self, runs: int = 1) -> None:
        self.runs = runs

    def named_parameters(self) -> dict[str, torch.Tensor]:
        return {
            "embeddings.table": torch.zeros(50, 3),
            "layers.0.a": torch.zeros(2, 2),
            "layers.0.b": torch.zeros(2, 3),
            "layers.0.bias": torch.zeros(7),
            "layers.1.a": torch.zeros(4, 6),
        }


def forward(values: int) -> float:
    return 2 * values * TOKENS + ATTENTION


def phase(names: Sequence[str], frozen: int = 0, steps: int = 4, **more: Any) -> PlannedPhase:
    return PlannedPhase(steps, dict.fromkeys(names, 1e-3), frozen, more.pop("shared", True), **more)


def trained_flops(one: PlannedPhase, steps: int, runs: int = 1) -> float:
    return training_flops(Plan((one,)), Encoder(runs), LENGTHS, RECIPE, [steps])  # type: ignore[arg-type]


def test_a_step_is_forward_backward_and_the_gradients_of_what_learns() -> None:
    both = 4 * (FIRST + SECOND) * TOKENS + 2 * 3 * ATTENTION
    assert trained_flops(phase(["layers.0.a", "layers.0.bias"]), 2) == both + 2 * 4 * TOKENS
    assert trained_flops(phase(["layers.1.a", "head.weight"]), 2) == both + 2 * SECOND * TOKENS
    assert trained_flops(phase(["layers.1.a"]), 3) == 1.5 * trained_flops(phase(["layers.1.a"]), 2)
    assert trained_flops(phase(["layers.1.a"]), 2, runs=3) == 3 * trained_flops(phase(["layers.1.a"]), 2)


def test_frozen_layers_run_forward_where_nothing_keeps_what_leaves_them() -> None:
    top = 4 * SECOND * TOKENS + 3 * ATTENTION + 2 * SECOND * TOKENS
    assert trained_flops(phase(["layers.1.a"], frozen=2), 2) == top
    assert trained_flops(phase(["layers.1.a"], frozen=2, shared=False), 2) == top + forward(FIRST)
    assert trained_flops(phase(["layers.1.a"], frozen=2, shared=False, kept=2), 2) == top
    assert trained_flops(phase(["layers.1.a"], frozen=2, shared=False, kept=1), 2) == top + forward(FIRST)
    assert trained_flops(phase([], frozen=3), 2) == 0
    assert trained_flops(phase([], frozen=3, shared=False), 2) == forward(FIRST) + forward(SECOND)


def test_the_prefix_is_one_pass_up_to_the_deepest_boundary() -> None:
    plan = Plan((phase([], frozen=3), phase(["layers.1.a"], frozen=2), phase(["layers.0.a"])))
    assert prefix_flops(plan, Encoder(), LENGTHS) == forward(FIRST) + forward(SECOND)  # type: ignore[arg-type]
    assert prefix_flops(Plan(plan.phases[1:]), Encoder(2), LENGTHS) == 2 * forward(FIRST)  # type: ignore[arg-type]
    assert prefix_flops(Plan(plan.phases[2:]), Encoder(), LENGTHS) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "boundaries", "expected"),
    [
        (phase(["*"]), [Boundary(0, 4, 2, 2)], forward(FIRST)),
        (phase(["*"]), [Boundary(0, 4, 2, 2), Boundary(0, 6, 3, 3)], forward(FIRST) + forward(SECOND)),
        (phase(["*"], frozen=2), [Boundary(0, 4, 3, 3)], forward(SECOND)),
        (phase(["*"], frozen=2, shared=False), [Boundary(0, 4, 3, 3)], forward(FIRST) + forward(SECOND)),
        (phase(["*"]), [Boundary(0, 4, 2, 0)], 0),
        (phase(["*"]), [Boundary(1, 4, 2, 2)], 0),
        (phase(["*"]), [], 0),
    ],
)
def test_what_freezes_runs_once_where_it_is_kept(
    one: PlannedPhase, boundaries: list[Boundary], expected: float
) -> None:
    assert freezing_flops(Plan((one,)), boundaries, Encoder(), LENGTHS) == expected  # type: ignore[arg-type]
    assert freezing_flops(Plan((one,)), boundaries, Encoder(3), LENGTHS) == 3 * expected  # type: ignore[arg-type]


def test_a_step_on_pairs_encodes_two_batches() -> None:
    words, pairs = (
        pretraining_flops(Pretraining(kind, 6, {"layers.1.a": 1e-3}), Encoder(), LENGTHS, RECIPE)  # type: ignore[arg-type]
        for kind in ("masked-lm", "contrastive")
    )
    assert words == trained_flops(phase(["layers.1.a"]), 6)
    assert pairs == 2 * words


def test_steps_before_and_after_a_boundary_are_phases_of_their_own() -> None:
    plan = Plan(
        (phase(["layers.0.a", "head.w"], steps=10), phase(["layers.0.a", "layers.1.a", "head.w"], steps=8))
    )
    boundaries = [Boundary(1, 3, 2, 0), Boundary(1, 5, 3, 3)]
    grown, steps = as_trained(plan, [10, 7], boundaries)
    assert steps == (10, 3, 2, 2)
    assert [(item.frozen, item.shared, item.kept, sorted(item.rates)) for item in grown.phases] == [
        (0, True, 0, ["head.w", "layers.0.a"]),
        (0, True, 0, ["head.w", "layers.0.a", "layers.1.a"]),
        (2, False, 0, ["head.w", "layers.1.a"]),
        (3, True, 3, ["head.w"]),
    ]
    assert as_trained(plan, [4], [])[1] == (4,)
    assert frozen_after(boundaries, [10, 7]) == {"frozen-after-step-13": 2.0, "frozen-after-step-15": 3.0}
    assert changes({1: 4.0, 2: 2.0}, {2: 3.0, 1: 4.0}) == {2: 0.5, 1: 0.0}


@pytest.mark.parametrize("name", ["full", "top-layers", "frozen"])
def test_the_record_sums_the_operations_and_divides_by_time_and_rate(
    name: str, toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speeds, "gemm", lambda self: 2e9)
    cell = toy_cell(name)
    group = prepare_group(cell, toy_context)
    record, _ = run_cell(cell, group, toy_context, lambda point: None)
    model, plan = build(cell, group, toy_context)
    lengths = group.splits["train"].lengths
    steps = [one.steps for one in plan.phases]
    expected = training_flops(plan, model.backbone, lengths, cell.recipe, steps)
    expected += prefix_flops(plan, group.given, lengths)
    assert record.flops == pytest.approx(expected)
    assert expected > 0
    spent = record.seconds.train + group.prefix.seconds("train", plan.boundaries)
    assert record.utilisation == pytest.approx(expected / spent / 2e9)
