"""Times the parts of a pass without waiting for the device at each of them."""

from __future__ import annotations

from typing import Any

import torch

from bench.engine.machine import Device


class Laps:
    """Seconds of the parts of a pass, summed by part. On a GPU the device itself notes when it reaches the end of a
    part, so that the pass waits for it once, at the end."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._parts: list[tuple[int, Any, Any]] = []
        self._last: Any = None

    def begin(self) -> None:
        self._last = self._now()

    def end(self, part: int) -> None:
        """End this part, and begin the next one."""
        now = self._now()
        self._parts.append((part, self._last, now))
        self._last = now

    def seconds(self) -> dict[int, float]:
        """The seconds of each part, after everything has run."""
        cuda = self._device.torch.type == "cuda"
        if cuda:
            torch.cuda.synchronize(self._device.torch)
        found: dict[int, float] = {}
        for part, began, ended in self._parts:
            took = began.elapsed_time(ended) / 1000 if cuda else ended - began
            found[part] = found.get(part, 0.0) + took
        return found

    def _now(self) -> Any:
        if self._device.torch.type != "cuda":
            return self._device.clock()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device.torch))
        return event
