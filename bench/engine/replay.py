"""An action that is repeated without any change to what the processor tells the device: a training step.

On a GPU it is captured once as a CUDA graph and replayed, which costs one launch instead of hundreds. All that the
action reads and writes lies in buffers that do not move. Elsewhere it is called. Both forms have one interface, so
everything but the capture is tested on a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import torch

from bench.engine.machine import Device
from bench.runs import collection

WARM = 3  # calls before the capture: libraries choose kernels and allocate workspaces in the first ones

Action = Callable[[], object]


class Replay(Protocol):
    """What repeats an action."""

    @property
    def seconds(self) -> float:
        """Seconds that preparing it took."""
        ...

    def __call__(self) -> None: ...


@dataclass(frozen=True)
class Called:
    """Calls the action each time."""

    action: Action
    seconds: float = 0.0

    def __call__(self) -> None:
        self.action()


class CaptureFailed(RuntimeError):
    """An action cannot be captured; the message is the first error. Stream, generator and memory are as before, but
    graphs that were captured earlier no longer follow the generator: drop them."""


class Captured:
    """Captures the action as a CUDA graph, and replays it.

    The action runs a few times before the capture, so its caller must restore what those calls change, except for
    the device's default generator, which is put back here."""

    def __init__(self, action: Action, device: Device, pool: Pool, between: Action) -> None:
        """pool: the memory that graphs share; they never run at the same time, and none reads what another left.
        between: what must happen before every call. Raises CaptureFailed, or torch.OutOfMemoryError."""
        began = device.clock()
        self._graph = torch.cuda.CUDAGraph()
        waited = None
        try:
            with torch.cuda.device(device.torch), _left_as_found(pool):
                waited = _warm(action, pool, between)
                # a collection might destroy the graphs of an earlier model in the middle of the capture
                with (
                    collection.paused(),
                    torch.cuda.graph(self._graph, pool=pool.handle(), stream=pool.stream()),
                ):
                    action()
        except CaptureFailed as error:
            if waited is None:
                raise
            raise CaptureFailed(_first_line(waited)) from error
        self.seconds = device.clock() - began

    def __call__(self) -> None:
        self._graph.replay()


@dataclass
class Pool:
    """The memory and the stream that the graphs of a model share, on the current device. lane: of the model, among
    those whose graphs may run at the same time."""

    lane: int = 0
    _handle: Any = None
    _stream: Any = field(default=None, repr=False)

    def handle(self) -> Any:
        if self._handle is None:
            self._handle = torch.cuda.graph_pool_handle()
        return self._handle

    def stream(self) -> Any:
        """The side stream on which actions are warmed up and captured."""
        if self._stream is None:
            self._stream = side_stream(torch.cuda.current_device(), self.lane)
        return self._stream


@cache
def side_stream(device: int, lane: int) -> Any:
    """One for all models of a lane. cuBLAS keeps memory for every stream that it has run on: with a stream for each
    model, a cell's peak would grow with the number of models before it. Graphs that were captured on one stream
    share that memory, so they must never run at the same time."""
    return torch.cuda.Stream(device)


def _warm(action: Action, pool: Pool, between: Action) -> RuntimeError | None:
    """Call the action on the side stream. Returns the error of an operation that waits for the device, or None.
    Such an operation is likely to break the capture, with a message that does not name it."""
    stream, waited = pool.stream(), None
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM - 1):
            between()
            action()
        between()
        try:
            with _waiting_forbidden():
                action()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            waited = error
            between()
            action()  # it was left half-way: gradients must not stay
        between()
    torch.cuda.current_stream().wait_stream(stream)
    return waited


@contextmanager
def _waiting_forbidden() -> Iterator[None]:
    """Let torch raise an error where an operation waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch: it does not notice all of them yet
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def _left_as_found(pool: Pool) -> Iterator[None]:
    """Put back the default generator; where the block fails, also the stream, the allocator, and the generator's
    state of being captured: torch leaves all three as they were in the middle of the capture."""
    device, stream = torch.cuda.current_device(), torch.cuda.current_stream()
    generator = torch.cuda.default_generators[device]
    state, untouched = generator.get_state(), generator.clone_state()
    try:
        yield
    except BaseException as error:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(untouched)
        _give_back(pool, device)
        meaning = _meaning(error)
        if meaning is error:
            raise
        raise meaning from error
    generator.set_state(state)


def _give_back(pool: Pool, device: int) -> None:
    """Where torch could not end a capture, tell the allocator what the end would have told it: else it would fill
    the pool further, and never free it. Where torch could, or no capture had begun, the first call fails."""
    with suppress(RuntimeError, AttributeError):  # AttributeError: torch calls it otherwise
        torch._C._cuda_endAllocateToPool(device, pool.handle())  # pyright: ignore[reportAttributeAccessIssue]
        torch._C._cuda_releasePool(device, pool.handle())  # pyright: ignore[reportAttributeAccessIssue]


def _meaning(error: BaseException) -> BaseException:
    """What a failed capture is to its caller. Ending a broken capture raises another error than the one that broke
    it: lack of memory and interruptions stay what they are."""
    chain = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    for one in reversed(chain):
        if isinstance(one, torch.OutOfMemoryError) or not isinstance(one, Exception):
            return one
    if not isinstance(error, RuntimeError):
        return error
    return CaptureFailed(_first_line(next(one for one in reversed(chain) if isinstance(one, RuntimeError))))


def _first_line(error: RuntimeError) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
