"""Cells in buffers that another cell has used, on padded batches: each gives the bits that it gives alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from bench.contracts import Cell
from bench.engine.cell import build, run_cell, train
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.workspaces import Workspaces, _Kept
from bench.registry import discover
from bench.runs.record import Record

MakeCell = Callable[..., Cell]
KNOWN = discover()
STEPPING = [
    name
    for name, kind in KNOWN.strategies.items()
    if not kind.needs
    and all(p.solver == "adamw" and p.objective == "task" for p in KNOWN.strategy(name).checked_phases(6))
]
Outcome = tuple[list[Any], dict[str, Any]]
Trained = tuple[Any, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def context(toy_context: RunContext) -> RunContext:
    """A CPU that pads batches and keeps buffers as a GPU does."""
    return replace(toy_context, device=replace(toy_context.device, few_shapes=True))


@pytest.fixture(scope="module")
def group(toy_cell: MakeCell, context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), context)


def outcome(cell: Cell, group: CellGroup, context: RunContext) -> Outcome:
    """What a cell's record and predictions say, but for seconds."""
    record, tests = run_cell(cell, group, context, lambda _: None)
    return [(p.step, p.phase, p.train_loss, p.loss, p.score) for p in record.curve], tests


def alone(cell: Cell, group: CellGroup, context: RunContext) -> Outcome:
    return outcome(cell, replace(group, workspaces=Workspaces()), context)


@pytest.mark.parametrize("strategy", STEPPING)
@pytest.mark.parametrize("cached", [True, False])
def test_the_second_seed_gives_the_bits_of_the_seed_alone(
    strategy: str, cached: bool, toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """Dropout, moments, best state and patience included; inserted modules and random weights too."""
    recipe = replace(toy_cell().recipe, epochs=3, patience=1)
    cells = [toy_cell(strategy, seed=seed, recipe=recipe) for seed in (0, 1, 0)]
    group = replace(group, workspaces=Workspaces())
    if not cached:
        group = replace(
            group,
            prefix=type(group.prefix)(
                group.frozen,
                group.splits,
                group.prefix._head,
                context.device,
                replace(group.prefix._storage, budget=NoRoom()),
            ),
        )
    found = []
    for cell in cells:
        trained = train(cell, 1.0, group, context, lambda _: None)
        found.append((trained, {n: p.detach().clone() for n, p in trained.model.parameters().items()}))
    first, second, again = found
    assert first[0].model is second[0].model is again[0].model
    by_itself = train(cells[1], 1.0, replace(group, workspaces=Workspaces()), context, lambda _: None)
    assert by_itself.model is not second[0].model
    same(second, (by_itself, by_itself.model.parameters()))
    same(again, first)  # the first was by itself: its buffers were new
    assert losses(first[0].fitted.curve) != losses(second[0].fitted.curve)


def same(one: Trained, other: Trained) -> None:
    assert losses(one[0].fitted.curve) == losses(other[0].fitted.curve)
    assert one[1].keys() == other[1].keys()
    for name, value in other[1].items():
        assert torch.equal(one[1][name], value), name


def test_frozen_layers_that_start_anew_are_those_of_the_seed_at_hand(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """They never learn, and differ from seed to seed all the same."""
    options = (("layers", 1), ("reinit", 2))
    group = replace(group, workspaces=Workspaces())
    first, second = (
        train(toy_cell("top-layers", seed=seed, options=options), 1.0, group, context, lambda _: None)
        for seed in (0, 1)
    )
    assert first.model is second.model
    expected, _ = build(toy_cell("top-layers", seed=1, options=options), group, context)
    name = "layers.2.output.dense.weight"
    assert name not in second.plan.learning
    assert torch.equal(second.model.parameters()[name], expected.parameters()[name])


class NoRoom:
    """A budget of nothing."""

    def place(self, size: int, full: object = ()) -> None:
        return None


def test_steps_above_blocks_that_froze_are_prepared_anew(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """They read activations of one cell's weights; those of the first boundary are every cell's."""
    recipe = replace(toy_cell().recipe, epochs=10, evaluations=2, patience=100)
    group = replace(group, workspaces=Workspaces())
    trained = [
        train(toy_cell("auto-freeze", seed=seed, recipe=recipe), 1.0, group, context, lambda _: None)
        for seed in (0, 1)
    ]
    assert all(one.fitted.boundaries for one in trained)
    assert trained[0].model is trained[1].model
    kept = group.workspaces._kept
    assert kept
    assert {frozen for _, frozen, _ in kept.workspace._replays} == {0}


@pytest.mark.parametrize("strategy", ["lp-ft", "top-layers"])
def test_steps_of_every_phase_are_kept_for_the_next_seed(
    strategy: str, toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    recipe = replace(toy_cell().recipe, epochs=10, patience=100)
    group = replace(group, workspaces=Workspaces())
    train(toy_cell(strategy, recipe=recipe), 1.0, group, context, lambda _: None)
    kept = group.workspaces._kept
    assert kept
    first = dict(kept.workspace._replays)
    train(toy_cell(strategy, seed=1, recipe=recipe), 1.0, group, context, lambda _: None)
    assert any(frozen for _, frozen, _ in first)
    assert all(kept.workspace._replays.get(key) is replay for key, replay in first.items())


def losses(curve: Any) -> list[tuple[float, float]]:
    return [(point.train_loss, point.loss) for point in curve]


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("strategy", ["full", "gradual", "top-layers", "lora", "scratch"])
def test_padded_cells_equal_exact_ones(
    task: str, strategy: str, toy_cell: MakeCell, context: RunContext, toy_context: RunContext
) -> None:
    recipe = replace(toy_cell().recipe, dropout=0.0, encoder_dropout=0.0)
    cell = toy_cell(strategy, task, recipe=recipe)
    padded, exact = (
        run_cell(cell, prepare_group(cell, each), each, lambda _: None)[0] for each in (context, toy_context)
    )
    assert [p.loss for p in padded.curve] == pytest.approx([p.loss for p in exact.curve], abs=1e-5)
    assert [p.train_loss for p in padded.curve] == pytest.approx(
        [p.train_loss for p in exact.curve], abs=1e-5
    )
    assert padded.data
    assert exact.data
    assert padded.data.padding > exact.data.padding


def test_scales_of_a_grid_share_buffers_and_the_best_of_them_is_scored(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    cell = toy_cell("top-layers")
    scales = (1.0, 30.0, 1e-9)  # neither the first nor the last is best, or it is restored all the same
    tuned = replace(cell, recipe=replace(cell.recipe, tune=scales))
    group = replace(group, workspaces=Workspaces())
    record, tests = run_cell(tuned, group, context, lambda _: None)
    (kept,) = (trial.scale for trial in record.trials if trial.kept)
    assert kept != scales[-1]
    single = replace(cell, recipe=replace(cell.recipe, rate_scale=kept))
    curve, expected = alone(single, group, context)
    assert tests == expected
    assert [point.loss for point in record.curve] == [loss for *_, loss, _ in curve]


def test_a_cell_that_fails_leaves_no_buffers(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    group = replace(group, workspaces=Workspaces())

    def interrupt(_: Any) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        train(toy_cell("full"), 1.0, group, context, interrupt)
    assert group.workspaces._kept is None


def test_what_another_strategy_left_is_gone_before_the_peak_is_measured(
    toy_cell: MakeCell, group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a cell's peak would depend on what ran before it. Heads that train together have no buffers of their
    own, and free those of others all the same."""
    group, kept = replace(group, workspaces=Workspaces()), []
    run_cell(toy_cell("full"), group, context, lambda _: None)
    assert group.workspaces._kept
    monkeypatch.setattr(Device, "reset_peak_memory", lambda _: kept.append(group.workspaces._kept))
    run_cell(toy_cell("full", seed=1), group, context, lambda _: None)
    run_cell(toy_cell("frozen"), group, context, lambda _: None)
    assert kept[0] is not None
    assert kept[1] is None


class Itself:
    """What refers to itself."""

    itself: Itself


def test_what_refers_to_itself_is_gone_too(toy_cell: MakeCell) -> None:
    """As a compiled layer does."""
    kept: Any = Itself()
    kept.itself = kept
    workspaces, seen = Workspaces(), weakref.ref(kept)
    workspaces._kept = _Kept((("another strategy", ()),), kept)
    del kept
    gc.disable()
    try:
        workspaces.make_room(toy_cell("full"))
        assert seen() is None
    finally:
        gc.enable()


def test_after_pretraining_no_buffers_wait_for_the_next_seed(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """It has other activations of its own; its peak would count what nobody uses."""
    group = replace(group, workspaces=Workspaces())
    train(toy_cell("tapt"), 1.0, group, context, lambda _: None)
    assert group.workspaces._kept is None


def test_compiled_layers_have_buffers_of_their_own(
    toy_cell: MakeCell, group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was captured of plain layers is not replayed for compiled ones."""
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: None)
    group = replace(group, workspaces=Workspaces())
    plain = train(toy_cell("full"), 1.0, group, context, lambda _: None)
    compiled = train(toy_cell("full"), 1.0, group, replace(context, compiled=True), lambda _: None)
    again = train(toy_cell("full", seed=1), 1.0, group, replace(context, compiled=True), lambda _: None)
    assert compiled.model is not plain.model
    assert again.model is compiled.model


def test_a_cpu_keeps_no_buffers(toy_cell: MakeCell, toy_context: RunContext) -> None:
    group = prepare_group(toy_cell(), toy_context)
    train(toy_cell("full"), 1.0, group, toy_context, lambda _: None)
    assert group.workspaces._kept is None


@dataclass(frozen=True)
class Counting(Device):
    """A device that counts how often its clock is read, which on a GPU waits for everything that is queued."""

    reads: list[int] = field(default_factory=lambda: [0], hash=False, compare=False)

    def clock(self) -> float:
        self.reads[0] += 1
        return super().clock()


@pytest.mark.parametrize("few_shapes", [True, False])
def test_the_clock_is_not_read_within_the_steps(
    few_shapes: bool, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """As often for four steps an epoch as for twenty."""
    reads = []
    for batch_size in (10, 2):
        device = Counting(torch.device("cpu"), torch.float32, few_shapes)
        context = replace(toy_context, device=device)
        cell = toy_cell("gradual", recipe=replace(toy_cell().recipe, batch_size=batch_size, epochs=3))
        group = prepare_group(cell, context)
        before = device.reads[0]
        record = run(cell, group, context)
        assert len(record.curve) == 3
        reads.append(device.reads[0] - before)
    assert reads[0] == reads[1]


def run(cell: Cell, group: CellGroup, context: RunContext) -> Record:
    return run_cell(cell, group, context, lambda _: None)[0]
