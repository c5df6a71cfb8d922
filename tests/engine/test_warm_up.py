"""First uses are paid before the clocks start, once, on copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.engine import prefix, warm_up
from bench.engine.attempt import Attempt, attempt
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.speeds import Speeds
from bench.engine.warm_up import WarmUp
from bench.engine.workspace import Stretch, Workspace
from bench.executors.contract import Options, Work
from bench.executors.series import Series
from bench.models.backbone import Backbone
from bench.runs import load
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Load, Record

MakeCell = Callable[..., Cell]
FIRST = 1000.0  # seconds that the first use of a shape costs on the pretended machine
TASKS = ("toy-sentiment", "toy-ner", "toy-qa")


class Pretended:
    """A machine whose clock moves by one second for each block that runs on a batch, and by FIRST where the shape
    of a training batch is new to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.known: set[Any] = set()
        real = Backbone.encode

        def encode(
            backbone: Backbone,
            inputs: Tensor,
            mask: Tensor,
            segments: Tensor | None,
            start: int = 0,
            stop: int | None = None,
        ) -> Tensor:
            self.now += (backbone.depth + 1 if stop is None else stop) - start
            if torch.is_grad_enabled():
                self.use(tuple(mask.shape))
            return real(backbone, inputs, mask, segments, start, stop)

        monkeypatch.setattr(Backbone, "encode", encode)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(Speeds, "gemm", lambda _: 1e9)  # it would divide by seconds that do not pass
        monkeypatch.setattr(Speeds, "attention", lambda *_: "plain")

    def use(self, what: Any) -> None:
        if what not in self.known:
            self.known.add(what)
            self.now += FIRST


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    return Pretended(monkeypatch)


def recorded(cells: Sequence[Cell], context: RunContext, warm: bool) -> dict[str, Record]:
    """The records of cells of one group in this order, in what counts as a new process."""
    first = WarmUp()
    if warm:
        first.machine(cells[0], context)
    group = prepare_group(cells[0], context)
    if warm:
        first.group(cells[0], group, context)
    terms = Attempt(lambda *_: group, lambda *_: None, lambda *_: "")
    found = {cell.strategy: record for cell in cells for record, _ in attempt([cell], context, terms)}
    assert [record.reason for record in found.values() if record.status != "done"] == []
    return found


def seconds_of(records: dict[str, Record]) -> dict[str, tuple[float, float, float]]:
    return {name: (r.seconds.prefix, r.seconds.train, r.seconds.evaluate) for name, r in records.items()}


@pytest.mark.parametrize("task", TASKS)
def test_the_seconds_of_a_cell_do_not_depend_on_its_place_in_the_group(
    pretended: Pretended, toy_cell: MakeCell, toy_context: RunContext, task: str
) -> None:
    cells = [toy_cell(name, task=task) for name in ("frozen", "top-layers", "full", "lora")]
    found = []
    for order in (cells, cells[::-1]):
        pretended.known.clear()
        found.append(seconds_of(recorded(order, toy_context, warm=True)))
    assert found[0] == found[1]
    assert max(train for _, train, _ in found[0].values()) < FIRST


def test_without_the_warm_up_the_first_cell_would_pay(
    pretended: Pretended, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cells = [toy_cell("top-layers"), toy_cell("full")]
    train = []
    for order in (cells, cells[::-1]):
        pretended.known.clear()
        train.append(recorded(order, toy_context, warm=False)["full"].seconds.train)
    assert train[1] > train[0] + FIRST / 2


def state(group: CellGroup) -> tuple[Any, ...]:
    generator = torch.get_rng_state()
    gradients = [p.grad for b in (group.given, group.frozen) for p in b.named_parameters().values()]
    asks = [p.requires_grad for p in group.given.named_parameters().values()]
    masks = group.given.masks
    return (
        group.given.content(),
        group.frozen.content(),
        generator.tolist(),
        [gradient is None for gradient in gradients],
        asks,
        (masks._left, len(masks._pools)),
        [
            module.training
            for block in range(group.given.depth + 1)
            for module in group.given.modules_of(block)
        ],
    )


@pytest.mark.parametrize("task", TASKS)
def test_shapes_that_are_warmed_up_are_those_that_run_where_batches_are_padded(
    toy_cell: MakeCell, toy_context: RunContext, pretended: Pretended, task: str
) -> None:
    context = replace(toy_context, device=replace(toy_context.device, few_shapes=True))
    recipe = replace(toy_cell().recipe, epochs=6)
    cells = [toy_cell(strategy, task, recipe=recipe) for strategy in ("full", "gradual")]
    group = prepare_group(cells[0], context)
    WarmUp().group(cells[0], group, context)
    warmed = set(pretended.known)
    for cell in cells:
        run_cell(cell, group, context, lambda _: None)
    assert pretended.known == warmed
    assert {rows for rows, _ in warmed} == {recipe.batch_size}


def test_the_training_loop_captures_a_step_before_any_cell_does(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first capture of a process pays for what later ones find."""
    prepared: list[int] = []
    real = Workspace.prepare

    def prepare(workspace: Workspace, stretch: Stretch) -> float:
        seconds = real(workspace, stretch)
        prepared.append(len(workspace._replays))
        return seconds

    monkeypatch.setattr(Workspace, "prepare", prepare)
    context = replace(toy_context, device=replace(toy_context.device, few_shapes=True))
    cell = toy_cell("full")
    WarmUp().group(cell, prepare_group(cell, context), context)
    assert prepared
    assert min(prepared) > 0


@pytest.mark.gpu
@pytest.mark.parametrize("task", TASKS)
def test_everything_is_as_it_was(
    toy_cell: MakeCell, toy_context: RunContext, device: Device, task: str
) -> None:
    context = replace(toy_context, device=device)
    cell = toy_cell("full", task=task)
    group = prepare_group(cell, context)
    before = state(group)
    warm = WarmUp()
    warm.machine(cell, context)
    warm.group(cell, group, context)
    assert state(group) == before


@pytest.mark.parametrize("features", ["last-4", "mix"])
def test_features_of_several_layers_are_warmed_up_too(
    toy_cell: MakeCell, toy_context: RunContext, toy_recipe: Any, features: str
) -> None:
    cell = toy_cell("frozen", recipe=replace(toy_recipe, features=features))
    group = prepare_group(cell, toy_context)
    warm = WarmUp()
    warm.group(cell, group, toy_context)
    assert warm.take() > 0


def test_a_cell_has_the_same_curve_with_and_without_it(toy_cell: MakeCell, toy_context: RunContext) -> None:
    with_it, without = (recorded([toy_cell("full")], toy_context, warm)["full"] for warm in (True, False))
    assert with_it.scores == without.scores
    assert [point.loss for point in with_it.curve] == [point.loss for point in without.curve]


def test_lack_of_memory_is_left_to_the_cell(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    cell = toy_cell("full")
    group = prepare_group(cell, toy_context)
    monkeypatch.setattr(warm_up, "_suffix", fails)
    WarmUp().group(cell, group, toy_context)


@pytest.mark.parametrize(
    ("longest", "lengths"),
    [(32, [32]), (33, [32, 64]), (128, [32, 64, 128]), (900, [32, 64, 128, 256, 512])],
)
def test_the_machine_is_measured_and_the_encoder_loaded_before_a_group_is(
    longest: int,
    lengths: list[int],
    toy_cell: MakeCell,
    toy_context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At each length that a cell may ask for; word vectors need no library that could be loaded before."""
    done: list[object] = []
    monkeypatch.setattr(Speeds, "gemm", lambda _: done.append("gemm"))
    monkeypatch.setattr(Speeds, "attention", lambda _, length: done.append(length))
    monkeypatch.setattr(warm_up, "load", lambda name, sources: done.append(name))
    warm, cell = WarmUp(), toy_cell("full", recipe=replace(toy_cell().recipe, max_length=longest))
    warm.machine(cell, toy_context)
    assert done == ["gemm", *lengths, cell.backbone]
    warm.machine(replace(cell, backbone="glove"), toy_context)
    warm.machine(cell, toy_context)
    assert done == ["gemm", *lengths, cell.backbone]


def test_its_seconds_are_those_of_compiling_too(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, compiled = [0.0], [0.0]

    class Scripted(Device):
        def clock(self) -> float:
            return now[0]

    def rehearsed(*_: object) -> None:
        now[0] += 8
        compiled[0] += 3

    monkeypatch.setattr(prefix, "compile_seconds", lambda: compiled[0])
    monkeypatch.setattr(warm_up, "rehearse", rehearsed)
    device = Scripted(torch.device("cpu"), torch.float32)
    group: Any = None
    warm = WarmUp()
    warm.group(toy_cell(), group, replace(toy_context, device=device))
    assert (warm.take(), warm.take()) == (8, 0)


@pytest.mark.parametrize(("tokens", "trains"), [(warm_up.FEW, True), (warm_up.FEW + 1, False)])
def test_on_a_cpu_the_loop_runs_where_validating_is_short(
    tokens: int,
    trains: bool,
    toy_cell: MakeCell,
    toy_context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(warm_up, "_try_shapes", lambda *_: done.append("shapes"))
    monkeypatch.setattr(warm_up, "_train", lambda *_: done.append("training"))
    group = prepare_group(toy_cell(), toy_context)
    monkeypatch.setattr(type(group.splits["validation"]), "tokens", tokens)
    warm_up.rehearse(group, toy_cell().recipe, toy_context)
    assert done == ["shapes", *(["training"] if trains else [])]


def test_it_is_recorded_once_and_is_in_no_cell_of_the_run(
    toy_cell: MakeCell, toy_context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        time.sleep(0.5)

    monkeypatch.setattr(warm_up, "_use", lambda *_: None)
    monkeypatch.setattr(warm_up, "load", lambda *_: None)
    monkeypatch.setattr(warm_up, "rehearse", slow)
    sources: Sources = toy_context.registry.sources
    work = Work(Store(tmp_path), Options(device="cpu", executor="inline"), sources)
    series = Series(work, toy_context.registry, "cpu")
    cells = [toy_cell("frozen"), toy_cell("top-layers"), toy_cell("frozen", seed=1)]
    records = [record for cell in cells for record in series.run([cell], Silent())]
    spent = [record.machine.warm_up for record in records if record.machine]
    assert 0.5 <= spent[0] < 1.0
    assert spent[1:] == [0.0, 0.0]
    assert all(record.machine and record.machine.load for record in records)
    assert Store(tmp_path).record(cells[0].id) == records[0]


def test_seeds_that_train_together_share_what_others_took_meanwhile(
    toy_cell: MakeCell, toy_context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes the time of all of them; the others are there a moment later."""
    shares = iter([0.4, None, None])
    monkeypatch.setattr(load, "between", lambda *_: Load(start=0.0, end=0.0, others=next(shares)))
    cells = [toy_cell("frozen", seed=seed) for seed in range(3)]
    work = Work(Store(tmp_path), Options(device="cpu", executor="inline"), toy_context.registry.sources)
    records = list(Series(work, toy_context.registry, "cpu").run(cells, Silent()))
    assert [record.machine.load.others for record in records if record.machine and record.machine.load] == [
        0.4
    ] * 3
