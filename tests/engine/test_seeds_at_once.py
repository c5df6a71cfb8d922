"""Seeds that take turns on a device give the bits that they give alone, and are charged what one took alone."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.contracts import Cell
from bench.engine import seeds_at_once, training
from bench.engine.cell import run_cell, run_cells
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.lanes import Lane
from bench.engine.machine import Device
from bench.engine.speeds import Speeds
from bench.engine.training import Fit
from bench.engine.tuning import Trained
from bench.engine.workspace import Workspace
from bench.engine.workspaces import Workspaces
from bench.registry import discover
from bench.runs.curve import Point
from bench.runs.record import Record
from tests.engine.test_cold_seconds import Scripted

MakeCell = Callable[..., Cell]
KNOWN = discover()
STEPPING = [
    name
    for name, kind in KNOWN.strategies.items()
    if not kind.needs and all(p.solver == "adamw" for p in KNOWN.strategy(name).checked_phases(6))
]
AT_ONCE = 3


@pytest.fixture(scope="module")
def context(toy_context: RunContext) -> RunContext:
    """A CPU that pads batches and keeps buffers as a GPU does."""
    return replace(toy_context, device=replace(toy_context.device, few_shapes=True), per_device=AT_ONCE)


@pytest.fixture(scope="module")
def group(toy_cell: MakeCell, context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), context)


def ignore(*_: Any) -> None: ...


def together(cells: Sequence[Cell], group: CellGroup, context: RunContext, watch: Any = ignore) -> list[Any]:
    return list(run_cells(cells, replace(group, workspaces=Workspaces()), context, watch))


def alone(cell: Cell, group: CellGroup, context: RunContext) -> Any:
    return run_cell(cell, replace(group, workspaces=Workspaces()), replace(context, per_device=1), ignore)


def outcome(found: Any) -> Any:
    """What a record and its predictions say, but for seconds."""
    record, tests = found
    curve = [(p.step, p.phase, p.train_loss, p.loss, p.score) for p in record.curve]
    return curve, tests, record.chosen, record.scores


@pytest.mark.parametrize("strategy", STEPPING)
def test_seeds_at_once_give_the_bits_of_each_seed_alone(
    strategy: str, toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """Dropout, moments, best state and patience included; inserted modules and random weights too."""
    recipe = replace(toy_cell().recipe, epochs=3, patience=1)
    cells = [toy_cell(strategy, seed=seed, recipe=recipe) for seed in range(3)]
    if context.registry.trains_together(cells[0]):
        pytest.skip("its heads train in one computation")
    found = together(cells, group, context)
    for cell, one in list(zip(cells, found, strict=True))[1:]:
        assert outcome(one) == outcome(alone(cell, group, context)), cell
    assert [record.machine.seeds_at_once for record, _ in found] == [1, 2, 2]


def test_so_they_do_on_a_cpu_as_it_is(toy_cell: MakeCell, toy_context: RunContext) -> None:
    """Where batches are as long as their longest text, and no buffers are kept."""
    cells = [toy_cell("gradual", seed=seed) for seed in range(5)]
    group = prepare_group(cells[0], toy_context)
    found = together(cells, group, replace(toy_context, per_device=2))
    for cell, one in zip(cells, found, strict=True):
        assert outcome(one) == outcome(alone(cell, group, toy_context)), cell
    assert [record.machine.seeds_at_once for record, _ in found] == [1, 2, 2, 2, 2]


def test_every_scale_of_a_grid_is_tried_by_seeds_at_once(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    recipe = replace(toy_cell().recipe, tune=(1.0, 30.0, 1e-9))
    cells = [toy_cell("top-layers", seed=seed, recipe=recipe) for seed in range(3)]
    for cell, one in list(zip(cells, together(cells, group, context), strict=True))[1:]:
        assert outcome(one) == outcome(alone(cell, group, context))
        assert [trial.scale for trial in one[0].trials] == [1.0, 30.0, 1e-9]


@pytest.fixture
def cells(toy_cell: MakeCell) -> list[Cell]:
    return [toy_cell("full", seed=seed) for seed in range(4)]


def test_steps_are_taken_in_turn(
    cells: list[Cell], group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the device would run the steps of one seed after those of another."""
    stepped: list[int] = []
    step = Workspace._step

    def noted(workspace: Workspace, shape: Any) -> None:
        stepped.append(workspace._lane)
        step(workspace, shape)

    monkeypatch.setattr(Workspace, "_step", noted)
    together(cells, group, context)
    at_once = stepped[len(stepped) // 4 :]
    assert at_once == [0, 1, 2] * (len(at_once) // 3)


def test_seeds_at_once_are_charged_what_the_first_took_by_the_step(
    toy_cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """Their peak memory is the first one's, too; the record says so, and how many there were."""
    recipe = replace(toy_cell().recipe, epochs=4)  # as many steps as are captured
    cells = [toy_cell("full", seed=seed, recipe=recipe) for seed in range(4)]
    (first, _), *others = together(cells, group, context)
    took = first.seconds
    assert not first.adaptations
    for record, _ in others:
        found = record.seconds
        assert found.train == pytest.approx(took.train)
        assert found.compile == took.compile
        assert record.peak_memory == first.peak_memory
        assert record.adaptations == (
            "trained beside 2 other seeds: its training seconds are those of seed 0, by the step, and its peak "
            "memory is that seed's",
        )
        seconds = [point.seconds for point in record.curve]
        assert seconds == sorted(seconds)
        assert seconds[-1] <= found.train + found.evaluate


@pytest.mark.parametrize(
    ("phase_steps", "seconds"),
    [
        ([4, 4], [4.0, 124.0, 244.0]),
        ([5, 3], [4.0, 115.0, 235.0]),  # the first phase ends between two validation passes
        ([3, 1, 4], [13.0, 2113.0, 4213.0]),
    ],
)
def test_every_step_is_charged_at_the_rate_of_its_phase(
    phase_steps: list[int], seconds: list[float], toy_cell: MakeCell
) -> None:
    """A point has the validation passes before it, too."""
    cost = seeds_at_once.Cost(toy_cell(), (1.0, 10.0, 1000.0), 100.0, 0.5, 0.0, 0.0)
    points = [Point(step, 1.0, 9e9, 1, 0.0, 0.0, 0.0) for step in (4, 6, 8)]
    assert [point.seconds for point in cost.curve(points, phase_steps)] == seconds


@pytest.mark.parametrize(
    ("strategy", "options"), [("lp-ft", ()), ("full", (("average", "wise-ft"),))], ids=["lp-ft", "wise-ft"]
)
def test_a_seed_beside_others_has_the_seconds_that_it_has_alone(
    strategy: str,
    options: Any,
    toy_cell: MakeCell,
    context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock that moves by the step, further in the second phase, and by the validation pass."""
    monkeypatch.setattr(Speeds, "gemm", lambda self: 1e9)
    monkeypatch.setattr(Speeds, "attention", lambda self, length: "plain")
    device = Scripted(context.device.torch, context.device.dtype, few_shapes=True)
    context, step = replace(context, device=device), Workspace._step

    def timed(workspace: Workspace, shape: Any) -> None:
        device.now[0] += 64.0 if workspace._number else 1.0
        step(workspace, shape)

    monkeypatch.setattr(Workspace, "_step", timed)
    monkeypatch.setattr(training, "predict", device.after(training.predict, 1024.0))
    recipe = replace(toy_cell().recipe, epochs=3, patience=9)
    cells = [toy_cell(strategy, seed=seed, recipe=recipe, options=options) for seed in range(3)]
    group = replace(prepare_group(cells[0], context), seconds=0.0)  # loading reads a clock of its own
    (expected, _), (_, (found, _), _) = alone(cells[1], group, context), together(cells, group, context)
    assert found.machine.seeds_at_once == 2
    assert [point.seconds for point in found.curve] == [point.seconds for point in expected.curve]
    assert (found.seconds.train, found.seconds.evaluate) == (
        expected.seconds.train,
        expected.seconds.evaluate,
    )
    assert found.curve[-1].seconds <= found.seconds.train + found.seconds.evaluate


def test_a_cell_beside_others_is_charged_by_hand(toy_cell: MakeCell) -> None:
    """The first took 2 s a step in four steps and 3 s in one, 0.5 s for what came before, 6 s for its only
    validation pass and 9 s for an average. The second takes three steps and two, and two passes."""
    model: Any = None
    first = Fit(
        curve=[Point(5, 1.0, 0.0, 2, 0.0, 0.0, 0.0)],
        train_seconds=11.5,
        evaluate_seconds=15.0,
        finish_seconds=9.0,
        compile_seconds=7.0,
        phase_steps=[4, 1],
        phase_seconds=[8.0, 3.0],
    )
    cost = seeds_at_once.Cost.of(toy_cell(), Trained(model, model, first, 20.0))
    assert (cost.step, cost.evaluation, cost.before, cost.finish) == ((2.0, 3.0), 6.0, 0.5, 9.0)
    assert (cost.compile, cost.building) == (7.0, 20.0)
    second = Fit(
        curve=[Point(step, 1.0, 9e9, phase, 0.0, 0.0, 0.0) for step, phase in ((3, 1), (5, 2))],
        train_seconds=9e9,
        evaluate_seconds=9e9,
        phase_steps=[3, 2],
        phase_seconds=[9e9, 9e9],
        adaptations=("before",),
    )
    charged = cost.charge(Trained(model, model, second, 9e9), 2)
    found = charged.fitted
    assert found.phase_seconds == [6, 6]
    assert (found.train_seconds, found.evaluate_seconds, found.compile_seconds) == (12.5, 12 + 9, 7)
    assert (charged.building, [point.seconds for point in found.curve]) == (20, [6, 12 + 6])
    assert [said.partition(":")[0] for said in found.adaptations] == [
        "before",
        "trained beside 2 other seeds",
    ]


def test_what_came_before_the_phases_takes_no_negative_time(toy_cell: MakeCell) -> None:
    """The clock's sums may differ in their last digit."""
    model: Any = None
    fitted = Fit(train_seconds=1.0, phase_steps=[1], phase_seconds=[1.0 + 1e-12])
    assert seeds_at_once.Cost.of(toy_cell(), Trained(model, model, fitted, 0.0)).before == 0


def test_one_that_diverges_leaves_the_others_as_they_are(
    cells: list[Cell], group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Workspace.steps

    def diverging(workspace: Workspace, stretch: Any, taken: int) -> Any:
        yield from steps(workspace, stretch, taken)
        if workspace._lane == 1:
            raise Diverged("the loss is nan")

    expected = [outcome(alone(cell, group, context)) for cell in cells]
    monkeypatch.setattr(Workspace, "steps", diverging)
    found = together(cells, group, context)
    assert isinstance(found[2], Diverged)
    assert [outcome(found[n]) for n in (0, 1, 3)] == [expected[n] for n in (0, 1, 3)]


def test_without_the_memory_for_several_each_trains_alone(
    cells: list[Cell], group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whole batches: a cell must not be adapted because others took the memory."""
    steps = Workspace.steps

    def short(workspace: Workspace, stretch: Any, taken: int) -> Any:
        if workspace._lane == 2:
            raise torch.OutOfMemoryError
        yield from steps(workspace, stretch, taken)

    expected = [outcome(alone(cell, group, context)) for cell in cells]
    monkeypatch.setattr(Workspace, "steps", short)
    found = together(cells, group, context)
    assert list(map(outcome, found)) == expected
    assert all(record.machine.seeds_at_once == 1 for record, _ in found)
    assert not any("beside" in said for record, _ in found for said in record.adaptations)


def test_a_seed_that_trains_alone_for_lack_of_memory_has_the_peak_of_one_alone(
    cells: list[Cell], group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a byte for each workspace: those that it was tried beside are gone before it begins anew."""
    start, steps = Workspace.__init__, Workspace.steps
    living: weakref.WeakSet[Workspace] = weakref.WeakSet()
    peak = [0]

    def noted(workspace: Workspace, *terms: Any) -> None:
        start(workspace, *terms)
        living.add(workspace)
        peak[0] = max(peak[0], len(living))

    def short(workspace: Workspace, stretch: Any, taken: int) -> Any:
        if workspace._lane == 2:
            raise torch.OutOfMemoryError
        yield from steps(workspace, stretch, taken)

    def reset(_: Device) -> None:
        peak[0] = len(living)

    monkeypatch.setattr(Workspace, "__init__", noted)
    monkeypatch.setattr(Workspace, "steps", short)
    monkeypatch.setattr(Device, "reset_peak_memory", reset)
    monkeypatch.setattr(Device, "peak_memory", lambda _: peak[0])
    found = together(cells, group, context)
    assert [(record.machine.seeds_at_once, record.peak_memory) for record, _ in found] == [(1, 1)] * 4


@pytest.mark.parametrize("lane", [0, 1, 2])
@pytest.mark.parametrize("turn", [1, 3])
def test_without_the_memory_for_several_no_point_is_heard_twice(
    lane: int,
    turn: int,
    toy_cell: MakeCell,
    group: CellGroup,
    context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever lane runs out of memory, and however far the others are by then."""
    steps, taken_by = Workspace.steps, dict.fromkeys(range(AT_ONCE), 0)

    def short(workspace: Workspace, stretch: Any, taken: int) -> Any:
        taken_by[workspace._lane] += 1
        if at_once and workspace._lane == lane and taken_by[lane] >= turn:
            at_once.clear()
            raise torch.OutOfMemoryError
        yield from steps(workspace, stretch, taken)

    recipe = replace(toy_cell().recipe, epochs=3)
    cells = [toy_cell("full", seed=seed, recipe=recipe) for seed in range(4)]
    at_once: list[bool] = []
    heard: list[tuple[int, int]] = []
    records: list[Record] = []
    monkeypatch.setattr(Workspace, "steps", short)
    outcomes = run_cells(
        cells,
        replace(group, workspaces=Workspaces()),
        context,
        lambda cell, point: heard.append((cell.seed, point.step)),
    )
    for found in outcomes:
        assert not isinstance(found, BaseException)
        records.append(found[0])
        if len(records) == 1:
            at_once.append(True)
            taken_by |= dict.fromkeys(taken_by, 0)
    assert not at_once  # it did run out
    assert all(record.machine and record.machine.seeds_at_once == 1 for record in records)
    assert heard == [(record.cell.seed, point.step) for record in records for point in record.curve]


@pytest.mark.parametrize("count", [2, 4, 5, 7])
def test_a_seed_that_is_left_over_is_measured_without_what_others_trained_in(
    count: int, toy_cell: MakeCell, group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record says that it trained alone, so its peak is that of a cell alone."""
    held: list[bool] = []
    made: list[weakref.ref[Workspace]] = []
    start = Workspace.__init__

    def noted(workspace: Workspace, *terms: Any) -> None:
        start(workspace, *terms)
        if workspace._lane:
            made.append(weakref.ref(workspace))

    def measured(_: Device) -> None:
        held.append(any(workspace() is not None for workspace in made))

    monkeypatch.setattr(Workspace, "__init__", noted)
    monkeypatch.setattr(Device, "reset_peak_memory", measured)
    cells = [toy_cell("full", seed=seed) for seed in range(count)]
    found = together(cells, group, replace(context, per_device=2))
    alone = [record.machine.seeds_at_once == 1 for record, _ in found]
    assert alone == [True, *[False] * ((count - 1) // 2 * 2), *[True] * ((count - 1) % 2)]
    assert not any(holds for holds, one in zip(held, alone, strict=True) if one)
    assert any(held) == (count > 2)


def test_the_seed_that_is_timed_alone_is_one_that_finished(
    cells: list[Cell], group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, failures = Workspace.steps, [0]

    def failing(workspace: Workspace, stretch: Any, taken: int) -> Any:
        if not failures[0]:
            failures[0] = 1
            raise Diverged("the loss is nan")
        yield from steps(workspace, stretch, taken)

    monkeypatch.setattr(Workspace, "steps", failing)
    first, *others = together(cells, group, context)
    assert isinstance(first, Diverged)
    assert [record.machine.seeds_at_once for record, _ in others] == [1, 2, 2]


def test_every_point_is_heard_while_its_cell_is_the_one_at_hand(
    cells: list[Cell], group: CellGroup, context: RunContext
) -> None:
    """A worker's parent takes every point for one of the cell that has no record yet."""
    heard: list[tuple[Cell, Point]] = []
    done = 0
    outcomes = run_cells(
        cells,
        replace(group, workspaces=Workspaces()),
        context,
        lambda cell, point: heard.append((cell, point)),
    )
    for found in outcomes:
        assert not isinstance(found, BaseException)
        record: Record = found[0]
        new = heard[done:]
        done = len(heard)
        assert [cell for cell, _ in new] == [record.cell] * len(record.curve)
        assert tuple(point for _, point in new) == record.curve


def test_a_lane_has_random_numbers_of_its_own_and_lane_0_those_of_the_process(context: RunContext) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4).tolist()
    torch.manual_seed(7)
    others = torch.rand(4).tolist()
    first, second = (Lane(number, context.device, Workspaces(number)) for number in (0, 1))
    with first.entered():
        torch.manual_seed(5)
    with second.entered():
        torch.manual_seed(7)
    drawn: dict[Lane, list[float]] = {first: [], second: []}
    for _ in range(4):
        for lane in (first, second):
            with lane.entered():
                drawn[lane].append(float(torch.rand(1)))
    assert drawn == {first: expected, second: others}


@pytest.mark.parametrize(("fitting", "counts"), [(2, [1, 2, 2, 2, 2, 1]), (1, [1] * 6)])
def test_no_more_train_at_once_than_fit_with_the_peak_of_the_first(
    fitting: int,
    counts: list[int],
    toy_cell: MakeCell,
    group: CellGroup,
    context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    def fit(_: Device, peak: int, wanted: int) -> int:
        asked.append((peak, wanted))
        return min(fitting, wanted)

    monkeypatch.setattr(seeds_at_once, "most_at_once", fit)
    cells = [toy_cell("full", seed=seed) for seed in range(6)]
    (first, tests), *others = together(cells, group, context)
    assert asked[0] == (first.peak_memory, AT_ONCE)
    assert [record.machine.seeds_at_once for record, _ in ((first, tests), *others)] == counts
    assert outcome(others[-1]) == outcome(alone(cells[-1], group, context))
