"""What is left after a capture, above all after one that failed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.engine import replay, workspace
from bench.engine.lanes import Lane
from bench.engine.machine import Device
from bench.engine.replay import Captured, CaptureFailed, Pool, _left_as_found, _meaning
from bench.engine.workspace import Workspace
from bench.engine.workspaces import Workspaces
from tests.engine.test_workspace import HEADS, LADDER, STEPS, factors, model_with, order, plan_of, split_of


class Generator:
    """A generator that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def get_state(self) -> str:
        return "state"

    def clone_state(self) -> str:
        return "untouched"

    def set_state(self, state: str) -> None:
        self.done.append(("set", state))

    def graphsafe_set_state(self, state: str) -> None:
        self.done.append(("replaced", state))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What torch says of a made-up GPU; its generator and the streams that were made current."""
    seen = SimpleNamespace(generator=Generator(), streams=[])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "main")
    monkeypatch.setattr(torch.cuda, "default_generators", (seen.generator,))
    monkeypatch.setattr(torch.cuda, "set_stream", seen.streams.append)
    return seen


def test_a_capture_puts_the_generator_back(cuda: SimpleNamespace) -> None:
    with _left_as_found(Pool(_handle=(0, 1))):
        pass
    assert cuda.generator.done == [("set", "state")]
    assert not cuda.streams


def test_a_broken_capture_replaces_the_generators_state_and_leaves_theside_stream(
    cuda: SimpleNamespace,
) -> None:
    """torch's own stays in the state of being captured: the next dropout outside of a graph would raise."""
    with pytest.raises(CaptureFailed), _left_as_found(Pool(_handle=(0, 1))):
        raise RuntimeError("operation not permitted")
    assert cuda.generator.done == [("replaced", "untouched")]
    assert cuda.streams == ["main"]


@pytest.mark.parametrize("ended", [False, True], ids=["broken in the middle", "ended or never begun"])
def test_a_capture_that_torch_could_not_end_gives_its_memory_back_once(
    ended: bool, cuda: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that is released twice would end the process when its graphs go."""
    told: list[str] = []

    def end(*_: object) -> None:
        told.append("end")
        if ended:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")

    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", end, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda *_: told.append("release"), raising=False)
    with pytest.raises(CaptureFailed), _left_as_found(Pool(_handle=(0, 1))):
        raise RuntimeError("operation not permitted")
    assert told == (["end"] if ended else ["end", "release"])


def test_all_models_of_a_device_are_captured_on_one_side_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuBLAS keeps tens of megabytes for every stream: they would count in the peaks of later cells."""
    device = [0]
    monkeypatch.setattr(torch.cuda, "Stream", lambda number: SimpleNamespace(number=number))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: device[0])
    replay.side_stream.cache_clear()
    first, second = Pool().stream(), Pool().stream()
    device[0] = 1
    assert first is second
    assert Pool().stream().number == 1
    replay.side_stream.cache_clear()


class TimeIsUp(BaseException):
    pass


def breaks_with(first: BaseException) -> None:
    """What `torch.cuda.graph` does when this is raised within it: it ends the capture, which raises again."""
    try:
        raise first
    finally:
        raise RuntimeError("operation failed due to a previous error during capture")


@pytest.mark.parametrize("first", [torch.OutOfMemoryError("no room"), KeyboardInterrupt(), TimeIsUp()])
def test_lack_of_memory_and_interruptions_stay_what_they_are(
    first: BaseException, cuda: SimpleNamespace
) -> None:
    with pytest.raises(type(first)), _left_as_found(Pool(_handle=(0, 1))):
        breaks_with(first)


def test_the_first_error_is_the_reason() -> None:
    with pytest.raises(RuntimeError) as error:
        breaks_with(RuntimeError("called a synchronizing CUDA operation\nmore lines"))
    assert str(_meaning(error.value)) == "called a synchronizing CUDA operation"


def test_what_waits_before_a_capture_is_its_reason_if_it_fails_and_no_obstacle_if_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check may be stricter than the capture itself."""
    mode, calls = ["default"], []
    stream = SimpleNamespace(wait_stream=lambda _: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: mode[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", mode.append)

    def waits() -> None:
        calls.append(mode[-1])
        if mode[-1] == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    waited = replay._warm(waits, Pool(_stream=stream), lambda: None)
    assert str(waited) == "called a synchronizing CUDA operation"
    assert calls == [*["default"] * (replay.WARM - 1), "error", "default"]
    assert replay._warm(lambda: None, Pool(_stream=stream), lambda: None) is None
    assert mode[-1] == "default"


@pytest.mark.parametrize(
    ("waited", "reason"),
    [(None, "capture failed"), (RuntimeError("aten::item waited\nmore lines"), "aten::item waited")],
)
def test_the_reason_of_a_failed_capture_is_what_waited_before_it(
    waited: RuntimeError | None, reason: str, cuda: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("capture failed")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    monkeypatch.setattr(replay, "_warm", lambda *_: waited)
    pool = Pool(_handle=(0, 1), _stream="side")
    with pytest.raises(CaptureFailed, match=f"^{reason}$"):
        Captured(fails, Device(torch.device("cpu"), torch.float32), pool, lambda: None)
    assert gc.isenabled()


def test_an_error_of_the_program_is_no_failed_capture() -> None:
    error = TypeError("a bug")
    assert _meaning(error) is error


@dataclass(frozen=True)
class MadeUpGPU(Device):
    """Says that it is a GPU with a peak of 7 bytes and a clock that is a second later whenever it is read; what
    lies on it lies on the CPU."""

    read: Iterator[int] = field(default_factory=count)

    def peak_memory(self) -> int:
        return 7

    def clock(self) -> float:
        return float(next(self.read))


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, captured: Any) -> Workspace:
    """A workspace whose steps are captured by `captured`."""
    monkeypatch.setattr(workspace, "Captured", captured)
    kind, recipe = HEADS["mean"]
    device = Device(torch.device("cpu"), torch.float32, few_shapes=True)
    model = model_with("bert", "mean", device)
    found = Workspace(model, plan_of(model), split_of(kind, device, LADDER), recipe)
    found.model = replace(model, device=MadeUpGPU(SimpleNamespace(type="cuda"), torch.float32))  # type: ignore[arg-type]
    return found


def test_after_one_failed_capture_all_steps_are_launched_and_every_cell_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs that were captured before follow the old generator: none of them is kept. Every cell is charged what
    they and the failed one took, once: alone, it would have tried them, too."""
    tries: list[object] = []

    def fails_the_second_time(action: Any, *_: object) -> replay.Called:
        tries.append(action)
        if len(tries) == 2:
            raise CaptureFailed("it looked at a value")
        return replay.Called(action, 1.0)

    held = on_a_gpu(monkeypatch, fails_the_second_time)
    plan = plan_of(held.model, steps=100 * STEPS)
    held.enter(0, plan.phases[0])
    by_length = np.argsort(held.split.lengths)
    stretch = held.stretch([by_length[:2], by_length[-5:]], factors()[:2])
    assert len(set(stretch.shapes)) > 1
    assert held.prepare(stretch) == 1 + 1
    assert held.prepare(stretch) == 0
    assert not held._replays
    assert len(tries) == 2
    held.run(stretch, 0)
    reason = "steps launched one by one: a capture failed (it looked at a value)"
    assert list(held.adaptations) == [reason]
    held.restart(model_with("bert", "mean", Device(torch.device("cpu"), torch.float32)), plan)
    held.enter(0, plan.phases[0])
    assert held.prepare(stretch) == 1 + 1
    assert list(held.adaptations) == [reason]
    assert len(tries) == 2


def test_a_capture_that_failed_half_way_leaves_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in memory that nothing was ever written to; the next step would add to it."""

    def fails_after_its_backward_pass(*_: object) -> replay.Called:
        for parameter in held.parameters.values():
            parameter.grad = torch.full_like(parameter, torch.nan)
        raise CaptureFailed("it looked at a value")

    held = on_a_gpu(monkeypatch, fails_after_its_backward_pass)
    plan = plan_of(held.model)
    held.enter(0, plan.phases[0])
    stretch = held.stretch(order(held.split)[:2], factors()[:2])
    held.prepare(stretch)
    held.run(stretch, 0)
    assert held.buffers.history[:2].isfinite().all()


def test_replayed_steps_count_the_memory_of_their_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    held = on_a_gpu(monkeypatch, lambda action, *_: replay.Called(action, 1.0))
    plan = plan_of(held.model)
    held.enter(0, plan.phases[0])
    held.prepare(held.stretch(order(held.split)[:5], factors()[:5]))
    assert held.peak == 7


@pytest.mark.parametrize(
    ("where", "reasons"),
    [
        ("cpu", ["steps launched one by one: the prefix cache is not on the device"]),
        ("cuda", []),
        (None, []),
    ],
)
def test_steps_that_read_a_cache_beside_the_device_are_launched(
    where: str | None, reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is kept at all, frozen blocks run within the step."""
    held = on_a_gpu(monkeypatch, lambda action, *_: replay.Called(action, 1.0))
    kept = None if where is None else SimpleNamespace(device=SimpleNamespace(type=where))
    asked: list[tuple[str, int]] = []
    prefix: Any = SimpleNamespace(
        highest=lambda split, boundary: boundary - 1,
        features=lambda *place: asked.append(place) or kept,
    )
    held.model = replace(held.model, prefix=prefix)
    (phase,) = plan_of(held.model, frozen=2).phases
    held.enter(0, replace(phase, shared=True))
    assert list(held.adaptations) == reasons
    assert asked == [("train", 1)]
    held.adaptations = {}
    held.enter(0, phase)  # it cannot read what is kept
    assert not held.adaptations


def test_a_step_is_captured_on_rows_that_only_fill_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones may be longer than the shape at hand; and no step is left counted or taken."""
    seen: list[tuple[bool, int]] = []

    def captured(action: Any, device: Device, pool: Pool, between: Any) -> replay.Called:
        seen.append((bool((held.buffers.rows < 0).all()), int(held.buffers.at)))
        action()
        assert int(held.buffers.at) == 1
        between()
        assert int(held.buffers.at) == 0
        return replay.Called(action, 1.0)

    held = on_a_gpu(monkeypatch, captured)
    plan = plan_of(held.model)
    held.enter(0, plan.phases[0])
    stretch = held.stretch(order(held.split)[:2], factors()[:2])
    held.buffers.lay(stretch)
    held.buffers.at.fill_(1)
    before = {name: p.detach().clone() for name, p in held.parameters.items()}
    held.prepare(stretch)
    assert seen
    assert set(seen) == {(True, 0)}
    assert all(torch.equal(p, before[name]) for name, p in held.parameters.items())


def test_a_capture_takes_its_warm_up_too_and_is_replayed(
    cuda: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(
        torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: done.append("replay"))
    )
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    monkeypatch.setattr(replay, "_warm", lambda *_: done.append("warm"))

    class Scripted(Device):
        def clock(self) -> float:
            return 10.0 if not done else 13.5

    found = Captured(
        lambda: done.append("action"),
        Scripted(torch.device("cpu"), torch.float32),
        Pool(_handle=(0, 1), _stream="side"),
        lambda: None,
    )
    assert found.seconds == 3.5
    found()
    assert done == ["warm", "action", "replay"]
    assert not cuda.streams


def test_a_pool_has_one_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    handles = iter([(0, 7), (0, 8)])
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
    pool = Pool()
    assert [pool.handle(), pool.handle()] == [(0, 7), (0, 7)]


@pytest.mark.parametrize("waits", [False, True])
def test_every_call_of_the_warm_up_starts_from_the_beginning_on_the_side_stream(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The streams wait for each other before and after; what was left half-way runs once more."""
    log: list[str] = []
    mode = ["default"]
    side = SimpleNamespace(wait_stream=lambda other: log.append("side waits"))
    main = SimpleNamespace(wait_stream=lambda other: log.append("main waits"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda one: nullcontext(log.append("on side")))
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: mode[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", mode.append)

    def action() -> None:
        log.append("action")
        if waits and mode[-1] == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    replay._warm(action, Pool(_stream=side), lambda: log.append("between"))
    calls = ["between", "action"] * (replay.WARM + waits)
    assert log == ["side waits", "on side", *calls, "between", "main waits"]


@pytest.mark.gpu
@pytest.mark.parametrize("place", ["before", "within"])
def test_after_a_failed_capture_the_device_works_as_before(place: str, device: Device) -> None:
    if device.torch.type != "cuda":
        pytest.skip("a CPU captures nothing")
    values, calls = torch.ones(1000, device=device.torch), [0]

    def action() -> None:
        calls[0] += 1
        torch.nn.functional.dropout(values)
        if place == "before" or calls[0] > replay.WARM:
            torch.cuda.synchronize(device.torch)
            values.sum().item()

    torch.manual_seed(0)
    expected = torch.nn.functional.dropout(values)
    torch.manual_seed(0)
    stream = torch.cuda.current_stream(device.torch)
    with pytest.raises(CaptureFailed):
        Captured(action, device, Pool(), lambda: None)
    assert torch.cuda.current_stream(device.torch) == stream
    assert torch.equal(torch.nn.functional.dropout(values), expected)
    again = Captured(lambda: values.add_(1), device, Pool(), lambda: None)
    before = values.clone()
    again()
    assert torch.equal(values, before + 1)


@pytest.mark.gpu
def test_replayed_dropout_follows_the_seed(device: Device) -> None:
    if device.torch.type != "cuda":
        pytest.skip("a CPU captures nothing")
    values, found = torch.ones(1000, device=device.torch), torch.zeros(1000, device=device.torch)
    captured = Captured(
        lambda: found.copy_(torch.nn.functional.dropout(values)), device, Pool(), lambda: None
    )
    drawn = []
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        captured()
        first = found.clone()
        captured()
        assert not torch.equal(found, first)
        drawn.append(first)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


class State:
    """A generator whose state can be exchanged, as torch's on a GPU."""

    def __init__(self, current: str) -> None:
        self.current = current

    def clone_state(self) -> str:
        return f"copy of {self.current}"

    def graphsafe_get_state(self) -> str:
        return self.current

    def graphsafe_set_state(self, state: str) -> None:
        self.current = state


def test_a_lane_on_a_gpu_has_a_stream_and_a_generator_state_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs of two cells that shared them would draw each other's numbers and overwrite each other's sums. Lane 0
    goes on with the state that graphs captured alone follow."""
    generator, entered, waited = State("first"), [], []

    def stream(number: int) -> SimpleNamespace:
        return SimpleNamespace(number=number, wait_stream=waited.append)

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda one: nullcontext(entered.append(one)))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: "main")
    monkeypatch.setattr(torch.cuda, "default_generators", (State("other"), generator))
    replay.side_stream.cache_clear()
    gpu = Device(torch.device("cuda", 1), torch.bfloat16)
    zero, one, two = (Lane(number, gpu, Workspaces(number)) for number in range(3))
    with zero.entered():
        assert generator.current == "first"
    assert not entered
    with one.entered():
        assert generator.current == "copy of first"
        generator.current = "replaced by a failed capture"
    with two.entered():
        assert generator.current == "copy of first"
    with one.entered():
        assert generator.current == "replaced by a failed capture"
    assert generator.current == "first"
    assert entered == [replay.side_stream(1, 1), replay.side_stream(1, 2), replay.side_stream(1, 1)]
    assert len({id(replay.side_stream(1, lane)) for lane in range(3)}) == 3
    assert waited == ["main", "main"]
    replay.side_stream.cache_clear()
