"""The machine: device, precision, threads, clock and memory."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.contracts import BenchError
from bench.runs.provenance import machine
from bench.runs.record import Machine

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


@dataclass(frozen=True)
class Device:
    """Where and in which precision a cell runs.

    few_shapes: pad batches to a few shapes, in full rows, and keep a model's buffers for the next cell, as suits a
    GPU; None: on a GPU alone."""

    torch: torch.device
    dtype: torch.dtype
    few_shapes: bool | None = None

    @property
    def pads(self) -> bool:
        """Whether batches are padded to a few shapes."""
        return self.torch.type == "cuda" if self.few_shapes is None else self.few_shapes

    @property
    def model(self) -> tuple[str, ...]:
        """The name of the GPU, for keys of what is measured or computed on it: machines with the same processor and
        a shared cache may have other ones. Empty on a CPU."""
        return (torch.cuda.get_device_name(self.torch),) if self.torch.type == "cuda" else ()

    def clock(self) -> float:
        """Seconds on `perf_counter`, after everything queued on the device has run. Waits for the device, so it is
        never called within a run of training steps."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)
        return time.perf_counter()

    def reset_peak_memory(self) -> None:
        if self.torch.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.torch)
            return
        return_freed_memory()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: start a new high-water mark
        except OSError:
            return

    def peak_memory(self) -> int:
        """Peak bytes: allocated memory on a GPU, resident memory of the process on a CPU. Counted since the
        last reset, but since the start of the process on a CPU without Linux."""
        if self.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self.torch)
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            unit = 1 if platform.system() == "Darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory() -> int:
    """Bytes of main memory that are free for use."""
    try:
        import psutil
    except ImportError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return psutil.virtual_memory().available


def total_memory() -> int:
    """Bytes of main memory."""
    try:
        import psutil
    except ImportError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return psutil.virtual_memory().total


def choose_device(name: str = "auto", threads: int | None = None) -> Device:
    """The device named `auto`, `cpu`, `cuda` or `cuda:1`, in bf16 where the processor or GPU supports it in
    hardware, else in fp32. Raises BenchError where the device does not exist, or is a GPU of AMD, which torch calls
    `cuda`, too."""
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() and not torch.version.hip else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BenchError(
            f"--device {name}: choose auto, cpu, cuda or cuda:<number>", code="unknown-device"
        ) from error
    if device.type == "cpu":
        keep_freed_memory()
        return Device(device, torch.bfloat16 if _cpu_has_bf16() else torch.float32)
    if device.type != "cuda":
        raise BenchError(f"--device {name}: choose auto, cpu, cuda or cuda:<number>", code="unknown-device")
    if torch.version.hip:
        raise BenchError(
            f"--device {name}: this torch is for GPUs of AMD, which have not been tried; use --device cpu",
            code="unknown-device",
        )
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise BenchError(
            f"--device {name}: this machine has {count} CUDA devices; use --device cpu", code="unknown-device"
        )
    if device.index is not None:
        torch.cuda.set_device(
            device
        )  # for what asks for "the" device: libraries, and whether it still answers
    torch.backends.cuda.matmul.allow_tf32 = True
    # cuDNN's fused attention plans anew for every length of a batch, most of a second each
    torch.backends.cuda.enable_cudnn_sdp(False)
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Device(device, torch.bfloat16 if has_bf16 else torch.float32)


@contextmanager
def whole_fp32() -> Iterator[None]:
    """Multiply fp32 matrices in fp32 in the block, where TF32 would drop 13 of 23 bits on a GPU."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def keep_freed_memory() -> None:
    """Let glibc keep freed memory. By default it returns every large block to the system, and the page faults
    of getting it back cost about a fifth of a training step. Without glibc nothing happens."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Return freed blocks to the system, so that a cell's peak memory does not include the previous cell's."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _cpu_has_bf16() -> bool:
    """Whether bf16 matrix products run in hardware; emulated ones are a hundred times slower than fp32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def describe(device: Device) -> Machine:
    """What a record says of the machine that a cell ran on."""
    cuda = device.torch.type == "cuda"
    name = torch.cuda.get_device_name(device.torch) if cuda else "cpu"
    return machine(name, str(device.dtype).removeprefix("torch."), torch.get_num_threads())
