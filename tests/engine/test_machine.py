"""The device that is chosen, and how often its clock is read: each reading waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
import torch

from bench.contracts import BenchError, Cell
from bench.engine.cell import build, run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device, choose_device
from bench.engine.speeds import Speeds
from tests.support.capture import count_captures

MakeCell = Callable[..., Cell]


@dataclass(frozen=True)
class Counted(Device):
    """A device that counts how often its clock is read."""

    readings: list[int] = field(default_factory=lambda: [0], hash=False)

    def clock(self) -> float:
        self.readings[0] += 1
        return super().clock()


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", ["full", "gradual", "top-layers", "frozen"])
def test_the_clock_is_read_as_often_however_many_steps_there_are(
    strategy: str,
    toy_cell: MakeCell,
    toy_context: RunContext,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captures, found = count_captures(monkeypatch), {}
    for batch_size in (8, 2):
        cell = toy_cell(strategy, recipe=replace(toy_cell().recipe, batch_size=batch_size))
        counted = Counted(device.torch, torch.float32)
        context = replace(toy_context, device=counted)
        group = prepare_group(cell, context)
        _, plan = build(cell, group, context)
        for split in ("train", "validation", "test"):
            group.prefix.fill(split, plan.boundaries)
        Speeds(counted, context.registry.sources.cache).gemm()  # measured once, and kept
        counted.readings[0] = 0
        captures.clear()
        run_cell(cell, group, context, lambda _: None)
        found[plan.steps] = counted.readings[0] - 2 * len(captures)
    assert max(found) >= 3 * min(found)
    assert len(set(found.values())) == 1


@pytest.fixture
def made_up_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch says that there is one GPU with bf16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    backends = torch.backends.cuda
    before = backends.cudnn_sdp_enabled(), backends.matmul.allow_tf32
    yield
    backends.enable_cudnn_sdp(before[0])
    backends.matmul.allow_tf32 = before[1]


@pytest.mark.usefixtures("made_up_gpu")
@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_cudnns_attention_is_off_on_a_gpu(name: str) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    assert choose_device(name).dtype == torch.bfloat16
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.usefixtures("made_up_gpu")
def test_emulated_bf16_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older GPUs have it in software alone, which torch counts unless it is asked not to."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert choose_device("cuda").dtype == torch.float32


@pytest.mark.usefixtures("made_up_gpu")
def test_the_second_gpu_is_the_one_that_libraries_see(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", seen.append)
    choose_device("cuda:1")
    assert seen == [torch.device("cuda:1")]


@pytest.mark.usefixtures("made_up_gpu")
@pytest.mark.parametrize(
    ("name", "code"), [("cuda:1", "unknown-device"), ("gpu", "unknown-device"), ("meta", "unknown-device")]
)
def test_a_device_that_is_not_there_is_refused(name: str, code: str) -> None:
    with pytest.raises(BenchError) as error:
        choose_device(name)
    assert error.value.code == code
