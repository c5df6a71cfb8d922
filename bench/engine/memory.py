"""How much memory a cell may use, and what it gives up, step by step, when that is too much.

First the micro-batch is halved. Gradients of its parts are accumulated, so that the effective batch and its
loss stay the same; evaluation batches shrink with it. Then the prefix cache moves down a tier: from the GPU to
main memory, to a memory-mapped file, and to nothing, so that frozen blocks run again. After that nothing is
left to give up.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from bench.engine.determinism import is_deterministic
from bench.engine.machine import Device, free_memory, total_memory

_NO_ROOM = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")
"""What a plain RuntimeError says: of the CPU's allocator, of CUDA, and of its libraries, such as cuBLAS."""

Tier = Literal["device", "memory", "file"]
"""Where activations are kept: the GPU's memory, main memory, a memory-mapped file."""

CACHE_SHARE = 0.3  # of what is free in a tier, for the prefix cache
_MOVED = {"memory": "in main memory", "file": "in a memory-mapped file", "": "given up"}


def tiers(device: torch.device) -> tuple[Tier, ...]:
    """The tiers of a device, fastest first. On a CPU main memory is the fastest."""
    return ("device", "memory", "file") if device.type == "cuda" else ("memory", "file")


@dataclass(frozen=True)
class Memory:
    """batch: sequences of an optimizer step. micro_batch: sequences that run forward and backward at once.
    given_up: tiers that the prefix cache may no longer use, of the device's `tiers`."""

    batch: int = 0
    micro_batch: int = 0
    tiers: tuple[Tier, ...] = ("device", "memory", "file")
    given_up: int = 0

    @classmethod
    def whole(cls, batch: int, device: torch.device) -> Memory:
        """The default: a step in one piece, and every tier."""
        return cls(batch, batch, tiers(device))

    def tighter(self) -> Memory | None:
        """The next smaller setting, or None where nothing is left to give up."""
        if self.micro_batch > 1:
            return replace(self, micro_batch=self.micro_batch // 2)
        return replace(self, given_up=self.given_up + 1) if self.given_up < len(self.tiers) else None

    @property
    def open(self) -> tuple[Tier, ...]:
        """The tiers that the cache may use."""
        return self.tiers[self.given_up :]

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What differs from the default, for the record."""
        found = []
        if self.micro_batch < self.batch:
            found.append(f"micro-batch {self.micro_batch} of {self.batch}, accumulated, for lack of memory")
        if self.given_up:
            found.append(f"prefix cache {_MOVED[self.open[0] if self.open else '']}, for lack of memory")
        return tuple(found)


WHOLE = Memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, Python, the CPU allocator or a library of CUDA ran out of memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_ROOM)


class Budget:
    """Bytes that the prefix cache may take in each tier: in total or, where `shared` is False, for each part."""

    def __init__(self, left: Mapping[Tier, float], shared: bool = True) -> None:
        self._left = dict(left)
        self._shared = shared

    def place(self, size: int, full: Collection[Tier] = ()) -> Tier | None:
        """The first tier with room for a part of `size` bytes, which is then counted there; None where no tier
        has room. full: tiers that turned out to have none."""
        for tier, left in self._left.items():
            if size <= left and tier not in full:
                if self._shared:
                    self._left[tier] = left - size
                return tier
        return None

    def release(self, tier: Tier, size: int) -> None:
        """Take back the bytes that `place` counted in a tier."""
        if self._shared:
            self._left[tier] += size


class Share:
    """What one cache takes of a budget. It gives all of it back when it is dropped."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken: dict[tuple[str, int], tuple[Tier, int]] = {}
        weakref.finalize(self, _release_all, budget, self._taken)

    def place(self, part: tuple[str, int], size: int, full: Collection[Tier] = ()) -> Tier | None:
        """What the budget says, for a part of the cache."""
        tier = self._budget.place(size, full)
        if tier is not None:
            self._taken[part] = tier, size
        return tier

    def release(self, part: tuple[str, int]) -> None:
        """Give back what a part took, where it took anything."""
        if part in self._taken:
            self._budget.release(*self._taken.pop(part))


def _release_all(budget: Budget, taken: Mapping[tuple[str, int], tuple[Tier, int]]) -> None:
    for tier, size in taken.values():
        budget.release(tier, size)


def most_at_once(device: Device, peak: int, wanted: int) -> int:
    """How many of the `wanted` cells fit on a GPU at once, each with this peak memory: into what is free there and
    what this process holds. At least one; all of them where the peak is unknown, and on a CPU."""
    if device.torch.type != "cuda" or not peak:
        return wanted
    usable = torch.cuda.mem_get_info(device.torch)[0] + torch.cuda.memory_reserved(device.torch)
    return max(1, min(wanted, usable // peak))


def cache_budget(memory: Memory, device: Device, parts: int, folder: Path) -> Budget:
    """The budget of a cache of at most `parts` tensors, with files in `folder`. A deterministic run gives each part
    the same share of the machine's memory and no file, so that what is kept depends neither on what was kept before
    nor on what else is running."""
    usable: list[Tier] = [tier for tier in memory.open if tier in tiers(device.torch)]
    if is_deterministic():
        return Budget({tier: CACHE_SHARE * _total(tier, device) / parts for tier in usable}, shared=False)
    return Budget({tier: CACHE_SHARE * _free(tier, device, folder) for tier in usable})


def _total(tier: Tier, device: Device) -> int:
    if tier == "device":
        return torch.cuda.get_device_properties(device.torch).total_memory
    return total_memory() if tier == "memory" else 0


def _free(tier: Tier, device: Device, folder: Path) -> int:
    if tier == "device":
        unused = torch.cuda.memory_reserved(device.torch) - torch.cuda.memory_allocated(device.torch)
        # what earlier cells have left with torch's allocator is free for use, too
        return torch.cuda.mem_get_info(device.torch)[0] + unused
    if tier == "memory":
        return free_memory()
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
