"""An action that is repeated without any change to what the processor tells the device: a training step.

On a GPU it is captured once as a CUDA graph and replayed, which costs one launch instead of hundreds. All that the
action reads and writes lies in buffers that do not move. Elsewhere it is called. Both forms have one interface, so
everything but the capture is tested on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from bench.engine.machine import Device

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


class Captured:
    """Captures the action as a CUDA graph, and replays it.

    The action runs a few times before the capture, so its caller must restore what those calls change."""

    def __init__(self, action: Action, device: Device, pool: Pool, between: Action) -> None:
        """pool: the memory that graphs share; they never run at the same time. between: what must happen before
        every call. Raises RuntimeError where the action cannot be captured."""
        began = device.clock()
        stream = pool.stream(device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device.torch):
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM):
                    between()
                    action()
                between()
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(self._graph, pool=pool.handle(), stream=stream):
                action()
        self.seconds = device.clock() - began

    def __call__(self) -> None:
        self._graph.replay()


@dataclass
class Pool:
    """The memory and the stream that the graphs of a model share."""

    _handle: Any = None
    _stream: Any = field(default=None, repr=False)

    def handle(self) -> Any:
        if self._handle is None:
            self._handle = torch.cuda.graph_pool_handle()
        return self._handle

    def stream(self, device: Device) -> Any:
        """The side stream on which actions are warmed up and captured."""
        if self._stream is None:
            self._stream = torch.cuda.Stream(device.torch)
        return self._stream
