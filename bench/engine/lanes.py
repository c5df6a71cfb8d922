"""What a cell must have of its own where several train on a device in turns, so that each gives the bits that it
gives alone: buffers, the state of torch's generators and, on a GPU, a stream.

A replayed graph takes its random numbers from the generator state that was current when it was captured, and its
matrix products work in memory that cuBLAS keeps for the stream of the capture. So lanes share neither. Rows, given
weights and the prefix cache are shared and only read. Whatever a cell adds to them is complete before its first
pause, because its clocks wait for the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from bench.engine.machine import Device
from bench.engine.replay import side_stream
from bench.engine.workspaces import Workspaces


class Lane:
    """Lane 0 is the process as it is: it goes on with the graphs of a cell that trained alone. Enter any other
    lane for every turn of its cell."""

    def __init__(self, number: int, device: Device, workspaces: Workspaces) -> None:
        """workspaces: of lane 0, those that a cell alone has used; of any other, made for this lane."""
        self.workspaces = workspaces
        self._own: _Host | _OnGpu | None = None
        if number:
            on_gpu = device.torch.type == "cuda"
            self._own = _OnGpu(number, device) if on_gpu else _Host()

    def entered(self) -> AbstractContextManager[None]:
        """Work in the block is this lane's."""
        return self._own.entered() if self._own else nullcontext()


class _Host:
    """A state of the generator of the CPU."""

    def __init__(self) -> None:
        self._state = torch.get_rng_state()

    @contextmanager
    def entered(self) -> Iterator[None]:
        outside = torch.get_rng_state()
        torch.set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = torch.get_rng_state()
            torch.set_rng_state(outside)


class _OnGpu:
    """The same, and a stream of a GPU with a state of its generator."""

    def __init__(self, number: int, device: Device) -> None:
        index = device.torch.index
        self._index = torch.cuda.current_device() if index is None else index
        self._host = _Host()
        self._stream: Any = side_stream(self._index, number)
        self._stream.wait_stream(torch.cuda.current_stream(self._index))
        self._state = torch.cuda.default_generators[self._index].clone_state()

    @contextmanager
    def entered(self) -> Iterator[None]:
        generator = torch.cuda.default_generators[self._index]
        outside = generator.graphsafe_get_state()
        generator.graphsafe_set_state(self._state)
        try:
            with self._host.entered(), torch.cuda.stream(self._stream):
                yield
        finally:
            self._state = (
                generator.graphsafe_get_state()
            )  # a capture that failed has put another in its place
            generator.graphsafe_set_state(outside)
