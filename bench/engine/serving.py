"""What a trained model costs to use, measured as it would be used: with all of its blocks, on test texts.

A model that answers users gets one text at a time, so latency is measured at batch 1. One that works through a file
is given batches, so the rate is measured at several sizes. A low-rank update that is merged into the weights costs
nothing to use (Hu et al. 2022, arXiv 2106.09685, section 4.1), and is measured both ways. An encoder that no task
changes is run once for all tasks: only the head runs again for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.contracts import BenchError
from bench.data.batches import Split
from bench.engine.machine import Device
from bench.engine.model import Model
from bench.engine.plan import Plan
from bench.runs.record import Served, Serving

BATCHES = (8, 32, 128)
"""Sizes that the best batch is chosen from, besides 1."""
PASSES = 200
"""Passes of a measurement, at most; their number is limited by SECONDS too."""
LEAST = 5
"""Passes that are made however long they take."""
SECONDS = 0.5


@dataclass(frozen=True)
class Timer:
    """How long passes take, on the clock of a device. passes: at most; seconds: after which no more are begun."""

    device: Device
    passes: int = PASSES
    seconds: float = SECONDS

    def times(self, work: Callable[[int], object], most: int) -> np.ndarray:
        """Seconds of each pass [passes]; `work` is given the number of the pass. One more, the first, warms up."""
        work(0)
        found: list[float] = []
        began = self.device.clock()
        for number in range(min(most, self.passes)):
            before = self.device.clock()
            work(number)
            after = self.device.clock()
            found.append(after - before)
            if len(found) >= LEAST and after - began > self.seconds:
                break
        return np.array(found)


def serving(model: Model, plan: Plan, split: Split, examples: int, timer: Timer | None = None) -> Serving:
    """What the model costs on the sequences of a test set. examples: those that the sequences come from, since a
    question has several windows. The model is left as it is."""
    timer = timer or Timer(model.device)
    for block in range(model.backbone.depth + 1):
        for module in model.backbone.modules_of(block):
            module.eval()
    model.head.eval()
    order = spread(len(split))
    windows = len(split) / max(examples, 1)
    with torch.inference_mode():
        used = _served(model, split, order, windows, timer)
        merged = _merged(model)
        untouched = all(name.startswith("head.") for name in plan.learning)
        return Serving(
            plain=used,
            merged=_served(merged, split, order, windows, timer) if merged else None,
            head=_head(model, split, order, timer) * windows if untouched else None,
        )


def spread(count: int) -> np.ndarray:
    """All places, in an order in which the first few are spread over the whole: the same for every model."""
    return np.random.default_rng(0).permutation(count)


def _served(model: Model, split: Split, order: np.ndarray, windows: float, timer: Timer) -> Served:
    """Latency at batch 1, and the rate at the best batch."""
    single = timer.times(lambda number: answered(model, split, order[number : number + 1]), len(order))
    best, rate = 1, 1 / float(single.mean())
    for size in (size for size in BATCHES if size <= len(order)):
        parts = _parts(order, size)
        found = size / float(timer.times(partial(_part, model, split, parts), len(parts)).mean())
        if found > rate:
            best, rate = size, found
    return Served(
        p50=float(np.quantile(single, 0.5)) * windows,
        p95=float(np.quantile(single, 0.95)) * windows,
        single=1 / float(single.mean()) / windows,
        batch=best,
        best=rate / windows,
    )


def _parts(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Whole batches."""
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


def _part(model: Model, split: Split, parts: Sequence[np.ndarray], number: int) -> Tensor:
    return answered(model, split, parts[number])


def answered(model: Model, split: Split, index: np.ndarray) -> Tensor:
    """The logits of these sequences, by all blocks, as they reach whoever asked."""
    batch = split.batch(index)
    return model.head(model.backbone.encode(batch.tokens, batch.mask, batch.segments), batch.mask).cpu()


def _head(model: Model, split: Split, order: np.ndarray, timer: Timer) -> float:
    """Median seconds of the head alone at batch 1: what one more task costs that shares the encoder's pass."""
    batch = split.batch(order[:1])
    hidden = model.backbone.encode(batch.tokens, batch.mask, batch.segments)
    return float(np.quantile(timer.times(lambda _: model.head(hidden, batch.mask).cpu(), PASSES), 0.5))


def _merged(model: Model) -> Model | None:
    """The model with its inserted updates folded into the weights; None where nothing can be folded."""
    backbone = model.backbone.copy()
    before = set(backbone.named_parameters())
    try:
        backbone.merge()
    except BenchError:
        return None
    return replace(model, backbone=backbone) if set(backbone.named_parameters()) != before else None
