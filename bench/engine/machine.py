"""The machine: device, precision, threads, clock, memory, and what of it goes into a record."""

from __future__ import annotations

import functools
import os
import platform
import resource
import statistics
import subprocess
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from bench.contracts import BenchError
from bench.record import Machine

CACHE_SHARE = 0.3  # of the memory that is free, for the prefix cache
VERSIONS = ("torch", "transformers", "tokenizers", "datasets", "gensim", "scikit-learn", "numpy")


@dataclass(frozen=True)
class Device:
    """Where and in which precision a cell runs."""

    torch: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[object]:
        enabled = self.dtype != torch.float32
        return torch.autocast(
            self.torch.type, dtype=self.dtype if enabled else torch.bfloat16, enabled=enabled
        )

    def clock(self) -> float:
        """Seconds on `perf_counter`, after everything queued on the device has run."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)
        return time.perf_counter()

    def cache_budget(self) -> int:
        """Bytes that the prefix cache may take."""
        if self.torch.type == "cuda":
            return int(torch.cuda.mem_get_info(self.torch)[0] * CACHE_SHARE)
        return int(psutil.virtual_memory().available * CACHE_SHARE)

    def reset_peak_memory(self) -> None:
        if self.torch.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.torch)
            return
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: start a new high-water mark
        except OSError:
            return

    def peak_memory(self) -> int:
        """Bytes: allocated on a GPU; on a CPU the process's resident memory, since the last reset on Linux and
        since its start elsewhere."""
        if self.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self.torch)
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            unit = 1 if platform.system() == "Darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def choose_device(name: str = "auto", threads: int | None = None) -> Device:
    """`auto`, `cpu`, `cuda` or `cuda:1`; bf16 where the processor or GPU really has it, fp32 elsewhere.

    Raises BenchError where the device does not exist."""
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BenchError(f"--device {name}: choose auto, cpu, cuda or cuda:<number>") from error
    if device.type == "cpu":
        return Device(device, torch.bfloat16 if _cpu_has_bf16() else torch.float32)
    if device.type != "cuda":
        raise BenchError(f"--device {name}: choose auto, cpu, cuda or cuda:<number>")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise BenchError(f"--device {name}: this machine has {count} CUDA devices; use --device cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    return Device(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32)


def _cpu_has_bf16() -> bool:
    """Whether bf16 matrix products run in hardware; emulated ones are a hundred times slower than fp32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags


@functools.cache
def gemm_rate(device: Device) -> float:
    """Floating-point operations a second of a large matrix product: the median of seven, measured once."""
    size = 1024 if device.torch.type == "cpu" else 8192
    left = torch.randn(size, size, device=device.torch, dtype=device.dtype)
    _ = left @ left
    seconds = []
    for _ in range(7):
        began = device.clock()
        _ = left @ left
        seconds.append(device.clock() - began)
    return 2 * size**3 / statistics.median(seconds)


def describe(device: Device) -> Machine:
    """What a record says of the machine."""
    cuda = device.torch.type == "cuda"
    return Machine(
        device=torch.cuda.get_device_name(device.torch) if cuda else "cpu",
        dtype=str(device.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions=_versions(),
        commit=_git("rev-parse", "--short=12", "HEAD"),
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
    )


@functools.cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _git(*arguments: str) -> str:
    """Output of git in this project's checkout; empty where it is installed without one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
