"""The device that is chosen, and how often its clock is read: each reading waits for the device."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import BenchError, Cell
from bench.engine import machine
from bench.engine.cell import build, run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device, choose_device, describe, free_memory, total_memory
from bench.engine.speeds import Speeds
from tests.support.capture import LOOKS, count_captures

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
        found[plan.steps] = counted.readings[0] - LOOKS * len(captures)
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
    torch.backends.cuda.matmul.allow_tf32 = False
    assert choose_device(name).dtype == torch.bfloat16
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.matmul.allow_tf32


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


@pytest.mark.usefixtures("made_up_gpu")
def test_a_gpu_of_amd_is_no_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch for them calls it `cuda`."""
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert choose_device("auto").torch.type == "cpu"
    with pytest.raises(BenchError, match="GPUs of AMD") as error:
        choose_device("cuda")
    assert error.value.code == "unknown-device"


# --------------------------------------------------------------------------------------------------
# A CPU


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("flags: fpu amx_bf16 sse", torch.bfloat16),
        ("flags: fpu avx512_bf16 sse", torch.bfloat16),
        ("flags: fpu avx512f sse", torch.float32),
        (None, torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_where_its_flags_say_that_it_can(
    flags: str | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, *_: Any, **__: Any) -> str:
        if flags is None:
            raise FileNotFoundError(path)
        assert str(path) == "/proc/cpuinfo"
        return flags

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(Path, "read_text", read)
    for name in ("cpu", "auto"):
        assert choose_device(name) == Device(torch.device("cpu"), dtype)


def test_a_run_computes_with_the_threads_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    choose_device("cpu")
    choose_device("cpu", threads=3)
    assert asked == [3]


def test_memory_that_a_cell_has_freed_is_in_no_peak_of_the_next() -> None:
    cpu = Device(torch.device("cpu"), torch.float32)
    held = np.ones(200 * 2**20, np.uint8)
    high = cpu.peak_memory()
    assert len(held)
    del held
    cpu.reset_peak_memory()
    assert cpu.peak_memory() < high - 150 * 2**20


@pytest.mark.parametrize(("system", "unit"), [("Darwin", 1), ("FreeBSD", 1024)])
def test_without_linux_the_peak_is_that_of_the_process(
    system: str, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which counts in bytes on a Mac and in kilobytes elsewhere."""

    def missing(path: Path, *_: Any, **__: Any) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(machine.platform, "system", lambda: system)
    monkeypatch.setattr(machine.resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=7))
    assert Device(torch.device("cpu"), torch.float32).peak_memory() == 7 * unit


def test_without_psutil_memory_is_counted_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_AVPHYS_PAGES": 30, "SC_PHYS_PAGES": 50, "SC_PAGE_SIZE": 4096}
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(machine.os, "sysconf", pages.__getitem__)
    assert (free_memory(), total_memory()) == (30 * 4096, 50 * 4096)


# --------------------------------------------------------------------------------------------------
# A GPU that is made up


def test_clock_and_peak_of_a_gpu_are_asked_of_that_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock waits for it; memory is what is allocated there."""
    asked: list[tuple[str, object]] = []
    gpu = Device(torch.device("cuda", 1), torch.bfloat16)
    for name in ("synchronize", "reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda where, name=name: asked.append((name, where)) or 7)
    before = time.perf_counter()
    assert before <= gpu.clock() <= time.perf_counter()
    gpu.reset_peak_memory()
    assert gpu.peak_memory() == 7
    names = ("synchronize", "reset_peak_memory_stats", "max_memory_allocated")
    assert asked == [(name, gpu.torch) for name in names]


def test_a_record_names_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"NVIDIA {where.index}")
    gpu, cpu = Device(torch.device("cuda", 1), torch.bfloat16), Device(torch.device("cpu"), torch.float32)
    assert (describe(gpu).device, describe(gpu).dtype, gpu.model) == ("NVIDIA 1", "bfloat16", ("NVIDIA 1",))
    assert (describe(cpu).device, describe(cpu).dtype, cpu.model) == ("cpu", "float32", ())
    assert describe(cpu).threads == torch.get_num_threads()


@pytest.mark.parametrize(
    ("kind", "few", "pads"),
    [("cuda", None, True), ("cpu", None, False), ("cuda", False, False), ("cpu", True, True)],
)
def test_batches_are_padded_on_a_gpu_unless_it_is_said_otherwise(
    kind: str, few: bool | None, pads: bool
) -> None:
    assert Device(torch.device(kind), torch.float32, few).pads is pads
