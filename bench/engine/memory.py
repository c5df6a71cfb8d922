"""What a cell may use of memory, and the ladder down when that is too much.

First the micro-batch is halved, with the gradients of its parts accumulated, so that the effective batch and its
loss are unchanged; then the prefix cache is given up and frozen blocks are recomputed; then there is no rung left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import psutil
import torch

from bench.engine.determinism import is_deterministic
from bench.engine.machine import CACHE_SHARE, Device

_CPU_ALLOCATOR = ("can't allocate memory", "not enough memory", "CUDA out of memory", "out of memory")


@dataclass(frozen=True)
class Memory:
    """batch: sequences of an optimizer step. micro_batch: sequences that run forward and backward at once.
    cache: whether activations of frozen blocks are kept."""

    batch: int = 0
    micro_batch: int = 0
    cache: bool = True

    @classmethod
    def whole(cls, batch: int) -> Memory:
        """The usual terms: a step in one piece, and the cache."""
        return cls(batch, batch)

    def tighter(self) -> Memory | None:
        """The next rung down, or None at the end of the ladder."""
        if self.micro_batch > 1:
            return replace(self, micro_batch=self.micro_batch // 2)
        return replace(self, cache=False) if self.cache else None

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What differs from the usual terms, for the record."""
        found = []
        if self.micro_batch < self.batch:
            found.append(f"micro-batch {self.micro_batch} of {self.batch}, accumulated, for lack of memory")
        if not self.cache:
            found.append("no prefix cache, for lack of memory")
        return tuple(found)


WHOLE = Memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, Python or the CPU allocator (a plain RuntimeError) found no memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_ALLOCATOR)


class Budget:
    """Bytes that the prefix cache may take: `left` in all, or where `each` is given that much for each part."""

    def __init__(self, left: float, each: float | None = None) -> None:
        self._left = left
        self._each = each

    def reserve(self, size: int) -> bool:
        """Whether a part of `size` bytes may be kept; if so it is counted."""
        if self._each is not None:
            return size <= self._each
        if size > self._left:
            return False
        self._left -= size
        return True


def cache_budget(memory: Memory, device: Device, parts: int) -> Budget:
    """The budget of a cache of at most `parts` tensors. A deterministic run gives each part the same share of the
    machine's memory, so that what is kept depends neither on what was kept before nor on what else is running."""
    if not memory.cache:
        return Budget(0)
    if is_deterministic():
        return Budget(0, each=CACHE_SHARE * _total_memory(device) / parts)
    return Budget(device.cache_budget())


def _total_memory(device: Device) -> int:
    if device.torch.type == "cuda":
        return torch.cuda.get_device_properties(device.torch).total_memory
    return psutil.virtual_memory().total
