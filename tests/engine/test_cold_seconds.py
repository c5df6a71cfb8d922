"""Cold seconds count every part once: on a clock that moves by a known amount in each part of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bench.contracts import Cell, Recipe
from bench.engine import cell as cells
from bench.engine import training
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.speeds import Speeds
from bench.engine.workspace import Workspace

PREPARING, BUILDING, PREDICTING, EVALUATING, STEPPING = 2.0**28, 2.0**24, 2.0**20, 2.0**16, 2.0**10
"""Seconds of preparing the group, of building a model, of predicting a test set, of an evaluation while training,
and of a stretch of steps: powers of two, so that sums of them are exact and tell which parts they hold. A sequence
in a pass that fills the prefix takes one second."""


@dataclass(frozen=True)
class Scripted(Device):
    """A device whose clock moves only where a test moves it."""

    now: list[float] = field(default_factory=lambda: [0.0])

    def clock(self) -> float:
        return self.now[0]

    def after(self, call: Callable[..., Any], seconds: float | None = None) -> Callable[..., Any]:
        """`call`, which then takes these seconds; None: one for each sequence that it is given."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self.now[0] += len(arguments[0]) if seconds is None else seconds
            return call(*arguments, **named)

        return timed


@pytest.fixture
def scripted(
    toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Cell], tuple[CellGroup, RunContext]]:
    """A cell's group and context on a scripted clock."""

    def prepare(cell: Cell) -> tuple[CellGroup, RunContext]:
        device = Scripted(toy_context.device.torch, toy_context.device.dtype)
        context = replace(toy_context, device=device)
        monkeypatch.setattr(Speeds, "gemm", lambda self: 1e9)
        monkeypatch.setattr(Speeds, "attention", lambda self, length: "plain")
        group = replace(prepare_group(cell, context), seconds=PREPARING)
        monkeypatch.setattr(group.frozen, "encode", device.after(group.frozen.encode))
        monkeypatch.setattr(cells, "build", device.after(cells.build, BUILDING))
        monkeypatch.setattr(cells, "predict", device.after(cells.predict, PREDICTING))
        monkeypatch.setattr(training, "predict", device.after(training.predict, EVALUATING))
        monkeypatch.setattr(Workspace, "steps", device.after(Workspace.steps, STEPPING))
        return group, context

    return prepare


STRETCHES = 2  # two epochs, each with one evaluation
PREFIXES = {
    "full": ((), ()),
    "layer-decay": ((), ()),
    "scratch": ((), ()),
    "top-layers": ((3,), (3,)),
    "lora": ((1,), (1,)),
    "lp-ft": ((5,), ()),
}
"""The blocks that a prefix of training and validation rows ends before, and those of the test rows."""


@pytest.mark.parametrize("name", PREFIXES)
def test_every_part_is_counted_once(
    name: str, toy_cell: Callable[..., Cell], toy_recipe: Recipe, scripted: Callable[[Cell], Any]
) -> None:
    cell = toy_cell(name, recipe=replace(toy_recipe, evaluations=1))
    group, context = scripted(cell)
    record, _ = run_cell(cell, group, context, lambda point: None)
    trained_on, tested_on = PREFIXES[name]
    sizes = {split: len(rows) for split, rows in group.splits.items()}
    found = record.seconds
    assert found.prepare == PREPARING + BUILDING
    assert found.evaluate == STRETCHES * EVALUATING + PREDICTING
    assert found.train == STRETCHES * STEPPING
    expected = len(trained_on) * (sizes["train"] + sizes["validation"]) + len(tested_on) * sizes["test"]
    assert found.prefix == expected
    assert found.cold == found.prepare + found.prefix + found.compile + found.train + found.evaluate
    assert found.compile == 0


def test_a_head_on_frozen_features_counts_the_passes_over_all_three_splits(
    toy_cell: Callable[..., Cell], scripted: Callable[[Cell], Any]
) -> None:
    for name in ("frozen", "probe"):
        cell = toy_cell(name)
        group, context = scripted(cell)
        record, _ = run_cell(cell, group, context, lambda point: None)
        assert record.seconds.prefix == sum(len(rows) for rows in group.splits.values())
        assert record.seconds.cold == PREPARING + BUILDING + record.seconds.prefix + record.seconds.evaluate
        assert record.seconds.evaluate >= PREDICTING


def test_a_second_seed_is_charged_for_the_prefix_that_it_shares(
    toy_cell: Callable[..., Cell], scripted: Callable[[Cell], Any]
) -> None:
    group, context = scripted(toy_cell("top-layers"))
    first, second = (
        run_cell(toy_cell("top-layers", seed=seed), group, context, lambda point: None)[0] for seed in (0, 1)
    )
    assert first.seconds == second.seconds
    assert first.seconds.prefix == sum(len(rows) for rows in group.splits.values())
