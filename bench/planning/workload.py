"""Roughly what a cell computes and holds in memory, from its recipe, strategy and backbone, before any is loaded.

Only ratios and magnitudes are meant: no text is tokenised, so lengths are assumed. Imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from bench.contracts import BenchError, Cell, Phase, Task
from bench.models.shape import Shape
from bench.registry import Plugins

FILLED = {"qa": 0.9}
FILLED_ELSE = 0.5
"""The share of `max_length` that an example is assumed to fill, by adapter."""

STEP = 2e9
"""What a step costs besides matrix products, in their operations: Python, the optimizer, kernel launches."""

PROCESS = 500 * 2**20
"""Bytes of a process that has loaded the libraries."""

ACTIVATIONS = 20
"""Activations of `width` that a layer keeps for each token of a batch, for the backward pass."""

SIZES = (10_000, 1_000, 1_000)
"""Train, validation and test where neither the recipe nor the task says."""

PARAMETERS = ("x.weight", "x.bias", "LayerNorm.weight", "x.lora_A.weight", "x.adapter.down.weight")
"""Names that stand for the parameters of a layer."""


@dataclass(frozen=True)
class Workload:
    """The cost of cells. shape: what a backbone looks like."""

    plugins: Plugins
    shape: Callable[[str], Shape]

    def operations(self, cell: Cell) -> float:
        """Floating-point operations of one cell alone; 0 where its strategy does not fit."""
        shape, recipe = self.shape(cell.backbone), cell.recipe
        try:
            phases = self.plugins.strategy(cell.strategy, cell.options).checked_phases(shape.depth)
        except BenchError:
            return 0.0
        task = type(self.plugins.task(cell.task))
        train, validation, test = sizes(task, cell)
        tokens = _length(task, cell)
        layer = tokens * (2.0 * shape.layer + 4.0 * shape.width * tokens)  # forward, an example
        frozen = [_frozen(phase, shape.depth) for phase in phases]
        last = frozen[-1]
        passes = math.ceil(recipe.epochs * recipe.evaluations)
        learnt = sum(phase.share * (shape.depth - below) for phase, below in zip(phases, frozen, strict=True))
        layers = 3 * recipe.epochs * train * learnt  # forward, and twice as much backward
        layers += max(frozen) * (train + validation)  # the frozen prefix, once
        layers += passes * validation * (shape.depth - last) + test * shape.depth
        steps = recipe.epochs * train + (passes * validation + test) / 3
        return layer * layers + STEP * math.ceil(steps / recipe.batch_size)

    def memory(self, cell: Cell) -> int:
        """Bytes at the peak: weights, their gradients, moments and best state, and a batch's activations."""
        shape = self.shape(cell.backbone)
        try:
            phases = self.plugins.strategy(cell.strategy, cell.options).checked_phases(shape.depth)
        except BenchError:
            return 0
        below = min(_frozen(phase, shape.depth) for phase in phases)
        learning = (shape.depth - below) * shape.layer
        if below == 0 and any(_learns(phase, ("embeddings.word_embeddings.weight",)) for phase in phases):
            learning = shape.parameters
        tokens = _length(type(self.plugins.task(cell.task)), cell) * cell.recipe.batch_size
        activations = tokens * shape.width * ACTIVATIONS * max(1, shape.depth - below)
        return PROCESS + 4 * (shape.parameters + 4 * learning + activations)


def sizes(task: type[Task], cell: Cell) -> tuple[int, int, int]:
    """Examples of train, validation and test: the recipe's, else what the task states, else a guess."""
    stated = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", task.sizes.split(";")[0])]
    known = stated if len(stated) == 3 else SIZES
    wanted = (cell.recipe.train, cell.recipe.validation, cell.recipe.test)
    train, validation, test = (min(size or have, have) for size, have in zip(wanted, known, strict=True))
    return train, validation, test


def _length(task: type[Task], cell: Cell) -> int:
    return max(1, round(cell.recipe.max_length * FILLED.get(task.adapter, FILLED_ELSE)))


def _frozen(phase: Phase, depth: int) -> int:
    """How many leading layers hold nothing that learns."""
    if _learns(phase, ("embeddings.word_embeddings.weight", "embeddings.LayerNorm.bias")):
        return 0
    learning = (i for i in range(depth) if _learns(phase, [f"layers.{i}.{name}" for name in PARAMETERS]))
    return next(learning, depth)


def _learns(phase: Phase, names: tuple[str, ...] | list[str]) -> bool:
    for name in names:
        try:
            if phase.rate(name):
                return True
        except ValueError:  # a pattern for this name alone may be missing: the cell itself will say so
            continue
    return False
