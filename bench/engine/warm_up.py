"""What a process pays once and no cell should: first uses of the device, of its attention kernels, of the library
that loads encoders, and of each shape of a batch, forward and backward.

All of it is paid before the first clock of a group starts, on copies, so that the group's weights, gradients and
dropout masks, and torch's generators, stay as they are. Its seconds are in no cell's; they are reported once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from bench.contracts import Cell, Phase, Recipe, Strategy
from bench.data.batches import Batch, Split, shuffled
from bench.data.ladder import PAYS
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, head_of
from bench.engine.machine import Device
from bench.engine.memory import is_out_of_memory
from bench.engine.model import Model
from bench.engine.plan import Parameters, Plan
from bench.engine.prefix import Stopwatch
from bench.engine.speeds import LENGTHS, Speeds
from bench.engine.training import fit
from bench.models.catalog import kind_of
from bench.models.heads import loss_terms
from bench.models.loading import load

MOST = 16  # shapes that are tried
STEPS = 2  # of training that are taken where nothing is captured; else as many as are captured
FEW = 20_000  # tokens of a validation split that is predicted too on a CPU


@dataclass(frozen=True)
class _Everything(Strategy):
    """All parameters learn."""

    name = "warm-up"
    summary = "All parameters learn"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-5),)),)


class WarmUp:
    """Warms up a process; remembers what is warm already."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._warm: set[tuple[object, ...]] = set()

    def machine(self, cell: Cell, context: RunContext) -> None:
        """Before a group is prepared: the device, and the library that loads its encoder."""
        device, sources = context.device, context.registry.sources
        self._once(("device", device), device, lambda: _use(Speeds(device, sources.cache), cell.recipe))
        if kind_of(cell.backbone) != "vectors":
            self._once(("encoder", cell.backbone), device, lambda: load(cell.backbone, sources))

    def group(self, cell: Cell, group: CellGroup, context: RunContext) -> None:
        """Before the first cell of a group: training steps of each shape."""
        key = (cell.group_key, context.device)
        self._once(key, context.device, lambda: rehearse(group, cell.recipe, context))

    def take(self) -> float:
        """The seconds spent since they were last taken."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _once(self, key: tuple[object, ...], device: Device, action: Callable[[], object]) -> None:
        if key in self._warm:
            return
        self._warm.add(key)
        watch = Stopwatch(device)
        numbers = [device.torch.index or 0] if device.torch.type == "cuda" else []
        with watch, torch.random.fork_rng(devices=numbers):
            action()
        self._seconds += watch.seconds + watch.compiling


def _use(speeds: Speeds, recipe: Recipe) -> None:
    """Take the measurements that a cell would take where nobody has yet."""
    speeds.gemm()
    for length in LENGTHS:
        speeds.attention(length)
        if length >= recipe.max_length:
            return


def rehearse(group: CellGroup, recipe: Recipe, context: RunContext) -> None:
    """Train copies of the group's backbone and of its head, and forget them.

    Lack of memory is no error here: a cell finds its own way with less."""
    try:
        _try_shapes(_model(group, recipe, context), group, recipe)
        if context.device.pads or group.splits["validation"].tokens <= FEW:
            _train(_model(group, recipe, context), group, recipe)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()


def _model(group: CellGroup, recipe: Recipe, context: RunContext) -> Model:
    head = head_of(group.task, group.given, group.labels, recipe).to(context.device.torch)
    return Model(group.given.copy(), head, context.device, None, context.memory.micro_batch)


def _try_shapes(model: Model, group: CellGroup, recipe: Recipe) -> None:
    """Forward and backward of batches of all shapes. On a GPU from every boundary; on a CPU through the last layer,
    whose operations are those of all layers, and once through all of them."""
    backbone, split = model.backbone.cast(model.device.dtype), group.splits["train"]
    depth = backbone.depth
    joins = backbone.joined > 1  # then nothing but the head learns
    starts = [depth + 1] if joins else list(range(depth + 2))
    size = model.micro_batch or recipe.batch_size
    shapes = _shapes(split, size)
    for number, index in enumerate(shapes):
        batch = _batch(split, index, size)
        short = model.device.torch.type == "cpu" and number < len(shapes) - 1
        for start in starts[-2:] if short else starts:
            _suffix(model, batch, start)


def _shapes(split: Split, batch_size: int) -> list[np.ndarray]:
    """A batch of each length to which an epoch's are padded, at most MOST of them, shortest first."""
    left, found = len(split), {}
    for index in shuffled(split.lengths, batch_size, seed=0):
        rows = batch_size if split.ladder.fixed else len(index)
        found.setdefault((split.ladder.fit(int(split.lengths[index].max())), rows), index)
        left -= len(index)
        if left <= 0:
            break
    ordered = [found[key] for key in sorted(found)]
    kept = sorted({round(place) for place in np.linspace(0, len(ordered) - 1, MOST)})
    return [ordered[place] for place in kept]


def _batch(split: Split, index: np.ndarray, size: int) -> Batch:
    """The batch in the shape in which a step runs it: in full rows where batches have one of a few shapes."""
    if not split.ladder.fixed:
        return split.batch(index)
    rows = np.full(size, -1)
    rows[: len(index)] = index
    on_device = torch.from_numpy(rows).to(split.targets.device)
    return split.gather(on_device, split.ladder.fit(int(split.lengths[index].max())))


def _suffix(model: Model, batch: Batch, start: int) -> None:
    """Forward and backward of the blocks from `start` on, and of the head, on random activations."""
    backbone, head = model.backbone, model.head
    hidden = batch.tokens
    if start > backbone.depth:
        with torch.no_grad():
            hidden = backbone.encode(batch.tokens, batch.mask, batch.segments, 0)
    elif start:
        shape = (*batch.tokens.shape, backbone.width)
        hidden = torch.randn(shape, device=model.device.torch).to(model.device.dtype)
    if start <= backbone.depth:
        hidden = backbone.encode(hidden, batch.mask, batch.segments, start)
    total, terms = loss_terms(head.kind, head(hidden, batch.mask), batch.targets)
    (total / terms).backward()
    for parameter in model.parameters().values():
        parameter.grad = None


def _train(model: Model, group: CellGroup, recipe: Recipe) -> None:
    """Steps of the training loop itself, captured where a cell's are, and one validation pass."""
    if model.backbone.joined > 1:
        return
    parameters = Parameters(list(model.parameters()), model.backbone.depth)
    short = replace(recipe, epochs=1.0, evaluations=1, tune=())
    plan = Plan.of(_Everything(), parameters, short, PAYS if model.device.pads else STEPS)
    try:
        fit(model, plan, group.splits, short, 0, lambda _: 0.0, lambda _: None)
    except Diverged:
        return  # random weights on real rows may; the cell will say so where it matters
