"""The prefix cache: activations of frozen leading blocks, computed once and shared.

Frozen blocks run in evaluation mode without gradients, cache or no cache, so a cached and an uncached run are
the same run. The cache holds a backbone's given weights only and belongs to a group of cells (same task,
backbone and recipe): strategies, seeds and phases share it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.data.batches import Batch, Split
from bench.engine.machine import Device
from bench.engine.memory import Budget
from bench.models.backbones import Backbone
from bench.models.heads import Head


class Prefix:
    """Activations of `backbone` on `splits` at block boundaries, one packed tensor [T, width] for each.

    Boundary b holds what enters block b; at the end of the backbone a head that pools gets [N, width].
    What exceeds the budget is not kept, and `features` gives None for it.
    """

    def __init__(
        self,
        backbone: Backbone,
        splits: dict[str, Split],
        head: Head,
        device: Device,
        budget: Budget,
    ) -> None:
        self._backbone = backbone
        self._splits = splits
        self._head = head
        self._device = device
        self._budget = budget
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._spent: dict[str, dict[int, float]] = {name: {0: 0.0} for name in splits}

    def fill(self, split: str, boundaries: tuple[int, ...]) -> None:
        """One pass over a split that keeps the activations at every boundary not kept yet."""
        missing = [b for b in boundaries if (split, b) not in self._kept and self._reserve(split, b)]
        if not missing:
            return
        source = max((b for name, b in self._kept if name == split and b < missing[0]), default=0)
        seconds = dict.fromkeys(missing, 0.0)
        with torch.no_grad(), self._device.autocast():
            for index in self._splits[split].in_order_of_length():
                batch = self._splits[split].batch(index)
                hidden = self._kept[split, source][batch.positions] if source else batch.tokens
                start = source
                for boundary in missing:
                    began = self._device.clock()
                    hidden = self._backbone.run(hidden, batch.mask, batch.segments, start, boundary)
                    self._keep(split, boundary, hidden, batch)
                    seconds[boundary] += self._device.clock() - began
                    start = boundary
        spent = self._spent[split]
        for boundary in missing:
            spent[boundary] = spent[source] + seconds[boundary]
            source = boundary

    def features(self, split: str, boundary: int) -> Tensor | None:
        """Packed activations [T, width] (or pooled, [N, width]) at a boundary, or None where none are kept."""
        return self._kept.get((split, boundary))

    def seconds(self, split: str, boundaries: tuple[int, ...]) -> float:
        """What filling these boundaries alone, from token ids, costs: one pass up to the deepest."""
        spent = self._spent[split]
        return spent[max((b for b in boundaries if b in spent), default=0)]

    def pools(self, boundary: int) -> bool:
        """Whether a boundary holds pooled vectors: everything is frozen and the head pools."""
        return boundary > self._backbone.depth and self._head.kind == "pooled"

    def _reserve(self, split: str, boundary: int) -> bool:
        part = self._splits[split]
        rows = len(part) if self.pools(boundary) else part.tokens
        return self._budget.reserve(rows * self._backbone.width * 4)

    def _keep(self, split: str, boundary: int, hidden: Tensor, batch: Batch) -> None:
        part = self._splits[split]
        key = (split, boundary)
        pools = self.pools(boundary)
        if key not in self._kept:
            rows = len(part) if pools else part.tokens
            self._kept[key] = torch.empty((rows, self._backbone.width), device=hidden.device)
        if pools:
            self._kept[key][batch.index] = self._head.pool(hidden, batch.mask).float()
        else:
            real = batch.mask.bool()
            self._kept[key][batch.positions[real]] = hidden[real].float()


class Stopwatch:
    """Seconds spent in the `with` block, summed over blocks, on the device's clock."""

    def __init__(self, device: Device) -> None:
        self.seconds = 0.0
        self._device = device
        self._began = 0.0

    def __enter__(self) -> Stopwatch:
        self._began = self._device.clock()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += self._device.clock() - self._began
