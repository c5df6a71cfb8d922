"""Building and scoring a cell: what depends on the seed alone, what is read, and what its record sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from bench.contracts import BenchError, Cell, Phase, Recipe, Strategy
from bench.engine import cell as cells
from bench.engine import prefix, training
from bench.engine.cell import build, run_cell, score, train
from bench.engine.cost import freezing_flops, training_flops
from bench.engine.freezing import as_trained
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.speeds import Speeds
from bench.engine.tuning import Trained
from bench.engine.unlabelled import Unlabelled
from bench.engine.workspace import Workspace
from tests.engine.test_cold_seconds import Scripted

MakeCell = Callable[..., Cell]
RATE = 2e9


def ignore(*_: Any) -> None: ...


@pytest.fixture(scope="module")
def group(toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), toy_context)


@pytest.fixture
def scripted(toy_context: RunContext, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """On a clock that moves only where a test moves it."""
    monkeypatch.setattr(Speeds, "gemm", lambda self: RATE)
    monkeypatch.setattr(Speeds, "attention", lambda self, length: "plain")
    return replace(toy_context, device=Scripted(torch.device("cpu"), torch.float32))


def clock_of(context: RunContext) -> Scripted:
    assert isinstance(context.device, Scripted)
    return context.device


def prepared(cell: Cell, context: RunContext) -> CellGroup:
    """The group of a cell, as if it had taken twenty seconds."""
    return replace(prepare_group(cell, context), seconds=20.0)


# --------------------------------------------------------------------------------------------------
# What a model is built from


@pytest.mark.parametrize(("anew", "shared"), [(1, True), (2, False), (4, False)])
def test_a_prefix_below_layers_that_start_anew_is_shared_and_no_other(
    anew: int, shared: bool, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    cell = toy_cell("top-layers", options=(("layers", 1), ("reinit", anew)))
    _, plan = build(cell, group, toy_context)
    assert [(phase.frozen, phase.shared) for phase in plan.phases] == [(4, shared)]


def test_what_starts_anew_and_what_is_inserted_depend_on_the_seed_alone(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    """Not on what others drew before, nor inserted modules on whether a layer starts anew."""

    def drawn(state: int, **options: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(state)
        model, _ = build(toy_cell("lora", options=tuple(options.items())), group, toy_context)
        return {name: p.detach() for name, p in model.backbone.named_parameters().items()}

    first, second, without = drawn(1, reinit=1), drawn(2, reinit=1), drawn(3)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    inserted = [name for name in without if "lora_A" in name]
    assert inserted
    assert all(torch.equal(first[name], without[name]) for name in inserted)


@dataclass(frozen=True)
class ChosenFromNothing(Strategy):
    """One block learns, chosen on random weights."""

    name = "chosen-from-nothing"
    summary = "one block of a random encoder learns"
    pretrained: ClassVar[bool] = False

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-4),), select=1),)


def test_a_random_table_counts_with_the_rows_that_a_task_lacks(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "chosen-from-nothing", ChosenFromNothing)
    asked: list[float] = []
    select = cells.select
    monkeypatch.setattr(cells, "select", lambda *given: asked.append(given[-1]) or select(*given))
    model, _ = build(toy_cell("chosen-from-nothing"), group, toy_context)
    rows = model.backbone.table.weight.detach()
    assert len(rows) < group.loaded.vocabulary
    assert asked == [pytest.approx(float(rows.norm()) * math.sqrt(group.loaded.vocabulary / len(rows)))]


@pytest.mark.parametrize(
    ("strategy", "options", "layers"), [("top-layers", (("layers", 1),), None), ("full", (), 1)]
)
def test_features_of_several_layers_need_an_encoder_that_is_frozen_whole(
    strategy: str,
    options: Any,
    layers: int | None,
    toy_cell: MakeCell,
    toy_recipe: Recipe,
    toy_context: RunContext,
) -> None:
    """One learning layer is too many, and so are the two blocks of an encoder of one layer."""
    cell = toy_cell(strategy, recipe=replace(toy_recipe, features="mix", layers=layers), options=options)
    with pytest.raises(BenchError) as error:
        build(cell, prepare_group(cell, toy_context), toy_context)
    assert error.value.code == "features-need-frozen-encoder"


# --------------------------------------------------------------------------------------------------
# What a record says


def test_after_pretraining_a_cell_reads_and_is_charged_for_a_prefix_of_its_own(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speeds, "gemm", lambda self: RATE)
    scored: list[Trained] = []
    real = cells.score
    monkeypatch.setattr(cells, "score", lambda *given: scored.append(given[1]) or real(*given))
    cell = toy_cell("setfit")
    group = prepare_group(cell, toy_context)
    record, _ = run_cell(cell, group, toy_context, ignore)
    own, end = scored[0].model.prefix, group.given.depth + 1
    assert own is not None
    for split in ("train", "validation", "test"):
        assert own.features(split, end) is not None
        assert group.prefix.features(split, end) is None
    assert record.seconds.prefix == pytest.approx(sum(own.seconds(split, (end,)) for split in group.splits))
    learning = own.seconds("train", (end,)) + record.seconds.train
    assert record.utilisation == pytest.approx(record.flops / learning / RATE)


def test_a_cell_is_not_charged_for_a_prefix_that_it_cannot_read(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """Others have filled the same boundary; its top layer starts anew, so it runs all blocks itself."""
    group = prepare_group(toy_cell(), toy_context)
    shared, _ = run_cell(toy_cell("frozen"), group, toy_context, ignore)
    own, _ = run_cell(toy_cell("frozen", options=(("reinit", 1),)), group, toy_context, ignore)
    assert own.seconds.prefix == 0 < shared.seconds.prefix


def test_what_comes_before_a_head_that_is_solved_for_is_charged_as_training(
    toy_cell: MakeCell, scripted: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "pretrain", clock_of(scripted).after(cells.pretrain, 100.0))
    cell = toy_cell("setfit")
    record, _ = run_cell(cell, prepared(cell, scripted), scripted, ignore)
    assert record.seconds.train == 100


def test_reading_unlabelled_text_is_charged_as_preparation_alone(
    toy_cell: MakeCell,
    toy_recipe: Recipe,
    scripted: RunContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "domain.txt"
    path.write_text("\n".join(f"emma saw a very dull room {number}" for number in range(12)))
    monkeypatch.setattr(Unlabelled, "_prepared", clock_of(scripted).after(Unlabelled._prepared, 500.0))
    cell = toy_cell("tapt", recipe=replace(toy_recipe, unlabelled=str(path)))
    record, _ = run_cell(cell, prepared(cell, scripted), scripted, ignore)
    assert (record.seconds.prepare, record.seconds.train, record.seconds.cold) == (520, 0, 520)


def test_compiling_is_counted_apart_wherever_it_happens(
    toy_cell: MakeCell, toy_recipe: Recipe, scripted: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps, in validation passes, in the prediction of test rows; and captures, which are none of these."""
    spent, clock = [0.0], clock_of(scripted)
    monkeypatch.setattr(prefix, "compile_seconds", lambda: spent[0])

    def compiling(call: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def compiled(*given: Any) -> Any:
            spent[0] += seconds
            clock.now[0] += seconds
            return call(*given)

        return compiled

    prepare = Workspace.prepare
    monkeypatch.setattr(Workspace, "steps", compiling(Workspace.steps, 8.0))
    monkeypatch.setattr(training, "predict", compiling(training.predict, 64.0))
    monkeypatch.setattr(cells, "predict", compiling(cells.predict, 512.0))
    monkeypatch.setattr(Workspace, "prepare", lambda self, stretch: prepare(self, stretch) + 4096.0)
    cell = toy_cell("full", recipe=replace(toy_recipe, evaluations=1))
    record, _ = run_cell(cell, prepared(cell, scripted), scripted, ignore)
    assert record.seconds.compile == 2 * (8 + 64 + 4096) + 512
    assert (record.seconds.train, record.seconds.evaluate) == (0, 0)


def test_without_seconds_there_is_no_utilisation(
    toy_cell: MakeCell, scripted: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = toy_cell("full")
    record, _ = run_cell(cell, prepared(cell, scripted), scripted, ignore)
    assert record.flops > 0 == record.utilisation


def test_operations_of_blocks_that_froze_are_in_the_record(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    recipe = replace(toy_recipe, epochs=5, evaluations=2, patience=100)
    cell = toy_cell("auto-freeze", recipe=recipe)
    group = prepare_group(cell, toy_context)
    found = train(cell, 1.0, group, toy_context, ignore)
    record, _ = score(cell, found, group, toy_context)
    backbone, lengths, boundaries = (
        found.model.backbone,
        group.splits["train"].lengths,
        found.fitted.boundaries,
    )
    grown, steps = as_trained(found.plan, found.fitted.phase_steps, boundaries)
    kept = freezing_flops(found.plan, boundaries, backbone, lengths)
    assert kept > 0
    assert record.flops == pytest.approx(
        training_flops(grown, backbone, lengths, recipe, steps) + kept, rel=1e-9
    )


def test_the_peak_is_counted_from_the_start_of_a_cell(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Device.peak_memory
    monkeypatch.setattr(Device, "reset_peak_memory", lambda self: asked.append("reset"))
    monkeypatch.setattr(Device, "peak_memory", lambda self: asked.append("peak") or real(self))
    cell = toy_cell("frozen")
    run_cell(cell, prepare_group(cell, toy_context), toy_context, ignore)
    assert asked == ["reset", "peak"]
