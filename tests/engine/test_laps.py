"""Laps on a GPU, whose events count milliseconds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.engine.laps import Laps
from bench.engine.machine import Device


def test_the_device_notes_when_it_reaches_the_end_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1500.0, 4000.0, 10_000.0, 10_250.0])
    done: list[Any] = []

    class Event:
        def __init__(self, enable_timing: bool = False) -> None:
            assert enable_timing
            self.at = -1e9

        def record(self, stream: object) -> None:
            assert stream == "stream of cuda:1"
            self.at = next(times)

        def elapsed_time(self, end: Event) -> float:
            assert done, "the device has not finished"
            return end.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", done.append)
    gpu = torch.device("cuda", 1)
    laps = Laps(Device(gpu, torch.bfloat16))
    laps.begin()
    laps.end(2)
    laps.end(5)
    laps.begin()
    laps.end(2)
    assert laps.seconds() == {2: 1.5 + 0.25, 5: 2.5}
    assert done == [gpu]
