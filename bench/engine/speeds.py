"""Measures a machine once and keeps the results in the cache folder, so that equal runs make equal choices.

Training is compared with the rate of a large matrix product. Which implementation of attention is faster,
forward and backward, depends on the device, the precision and the length of sequences.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from bench.contracts import BenchError, digest
from bench.engine.determinism import is_deterministic
from bench.engine.machine import Device
from bench.models import attention
from bench.runs import atomic_files
from bench.runs.provenance import processor

REPEATS = 9
TOKENS = 2048  # of a batch on which attention is timed
LENGTHS = (32, 64, 128, 256, 512)
HEADS, HEAD_WIDTH = 12, 32
IMPLEMENTATIONS = (attention.PLAIN, "sdpa")


class Speeds:
    """Measurements of one device and precision, read from `cache` or made and kept there."""

    def __init__(self, device: Device, cache: Path) -> None:
        self._device = device
        terms = (
            processor(),
            str(device.torch),
            str(device.dtype),
            torch.get_num_threads(),
            torch.__version__,
            *device.model,
        )
        self._path = cache / "speeds" / f"{digest(terms)}.json"

    def gemm(self) -> float:
        """Floating-point operations a second of a large matrix product: the fastest of REPEATS."""
        return self._measured("gemm", self._time_gemm)

    def attention(self, length: float) -> str:
        """The implementation to use for sequences of about this many tokens; always the same one where the run
        must be deterministic."""
        if is_deterministic():
            return attention.PLAIN
        near = next((known for known in LENGTHS if known >= length), LENGTHS[-1])
        seconds = {
            name: self._measured(f"{name}{near}", lambda name=name: self._time_attention(name, near))
            for name in IMPLEMENTATIONS
        }
        return min(seconds, key=lambda name: seconds[name])

    def _measured(self, key: str, measure: Callable[[], float]) -> float:
        known: dict[str, float] = {}
        with suppress(OSError, ValueError, TypeError):
            known = dict(json.loads(self._path.read_text()))
        if not isinstance(known.get(key), float):
            known[key] = measure()
            with suppress(BenchError):  # a cache that cannot be written costs a second measurement
                atomic_files.write(self._path, json.dumps(known, indent=1).encode())
        return known[key]

    def _time_gemm(self) -> float:
        size = 1024 if self._device.torch.type == "cpu" else 8192
        left = torch.randn(size, size, device=self._device.torch, dtype=self._device.dtype)
        return 2 * size**3 / min(self._seconds(lambda: left @ left))

    def _time_attention(self, name: str, length: int) -> float:
        shape = (max(TOKENS // length, 1), HEADS, length, HEAD_WIDTH)
        states = [
            torch.randn(shape, device=self._device.torch, dtype=self._device.dtype).requires_grad_()
            for _ in range(3)
        ]
        mask = torch.zeros((shape[0], 1, length, length), device=self._device.torch, dtype=self._device.dtype)

        def once() -> None:
            output = _attend(name, states, mask)
            output.backward(output.detach())

        return statistics.median(self._seconds(once))

    def _seconds(self, action: Callable[[], object]) -> list[float]:
        action()
        seconds = []
        for _ in range(REPEATS):
            began = self._device.clock()
            action()
            seconds.append(self._device.clock() - began)
        return seconds


def _attend(name: str, states: list[Tensor], mask: Tensor) -> Tensor:
    query, key, value = states
    if name == attention.PLAIN:
        return attention.plain_attention(torch.nn.Identity(), query, key, value, mask)[0]
    attended = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended.transpose(1, 2).contiguous()
