"""Estimates roughly what a cell computes and holds in memory, from its recipe, strategy and backbone.

Only ratios and magnitudes matter: no text is tokenised, so lengths are assumed. Imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.contracts import BenchError, Cell, Phase, Task, frozen_blocks
from bench.registry import Registry

FILLED = {"qa": 0.9, "unanswerable": 0.9}
FILLED_ELSE = 0.5
"""The share of `max_length` that an example is assumed to fill, by adapter."""

STEP = 2e9
"""What a step costs besides matrix products, in their operations: Python, the optimizer, kernel launches."""

PROCESS = 500 * 2**20
"""Bytes of a process that has loaded the libraries."""

ACTIVATIONS = 20
"""Activations of `width` that a layer keeps for each token of a batch, for the backward pass."""

CLASSES = 5
"""Classes of a task that is run on so many rows of each."""

SIZES = (10_000, 1_000, 1_000)
"""Train, validation and test where neither the recipe nor the task says."""

PARAMETERS = ("x.weight", "x.bias", "LayerNorm.weight", "x.lora_A.weight", "x.adapter.down.weight")
"""Names that stand for the parameters of a layer. A phase adds names that its patterns for all layers match: methods
of PEFT insert others."""

TABLE = "embeddings.word_embeddings.weight"
EMBEDDINGS = ("word_embeddings.weight", "LayerNorm.bias")
"""Names that stand for the parameters of the embeddings."""


@dataclass(frozen=True)
class Workload:
    """The cost of cells, before anything is loaded."""

    registry: Registry

    def operations(self, cell: Cell) -> float:
        """Floating-point operations of one cell alone; 0 where its strategy does not fit."""
        shape, depth, recipe = self.registry.shape(cell.backbone), self.registry.layers(cell), cell.recipe
        try:
            phases = self.registry.phases(cell)
        except BenchError:
            return 0.0
        task = type(self.registry.task(cell.task))
        train, validation, test = sizes(task, cell)
        tokens = _length(task, cell)
        layer = shape.runs * tokens * (2.0 * shape.layer + 4.0 * shape.width * tokens)  # forward, an example
        frozen = frozen_layers(phases, depth)
        last = frozen[-1]
        passes = math.ceil(recipe.epochs * recipe.evaluations)
        learnt = sum(phase.share * (depth - below) for phase, below in zip(phases, frozen, strict=True))
        tries = max(1, len(recipe.tune))
        layers = tries * 3 * recipe.epochs * train * learnt  # forward, and twice as much backward
        layers += max(frozen) * (train + validation)  # the frozen prefix, once
        layers += tries * passes * validation * (depth - last) + test * depth
        steps = tries * recipe.epochs * train + (tries * passes * validation + test) / 3
        return layer * layers + STEP * math.ceil(steps / recipe.batch_size)

    def prefix(self, cell: Cell) -> float:
        """How many of these are of the frozen prefix, which all seeds share; 0 where the strategy does not fit."""
        shape, depth = self.registry.shape(cell.backbone), self.registry.layers(cell)
        try:
            frozen = frozen_layers(self.registry.phases(cell), depth)
        except BenchError:
            return 0.0
        task = type(self.registry.task(cell.task))
        train, validation, test = sizes(task, cell)
        tokens = _length(task, cell)
        layer = tokens * (2.0 * shape.layer + 4.0 * shape.width * tokens)
        return layer * (max(frozen) * (train + validation) + frozen[-1] * test)

    def memory(self, cell: Cell) -> int:
        """Bytes at the peak: weights, their gradients, moments and best state, and a batch's activations."""
        shape, depth = self.registry.shape(cell.backbone), self.registry.layers(cell)
        try:
            phases = self.registry.phases(cell)
        except BenchError:
            return 0
        below = min(frozen_layers(phases, depth))
        learning = (depth - below) * shape.layer
        if any(_is_covered(phase, TABLE) and phase.rate(TABLE) for phase in phases):
            learning = shape.parameters
        tokens = _length(type(self.registry.task(cell.task)), cell) * cell.recipe.batch_size
        activations = tokens * shape.width * ACTIVATIONS * max(1, depth - below) * shape.runs
        return PROCESS + 4 * (shape.parameters + 4 * learning + activations)


def sizes(task: type[Task], cell: Cell) -> tuple[int, int, int]:
    """Examples of train, validation and test: the recipe's, else what the task states, else a guess."""
    stated = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", task.sizes.split(";")[0])]
    known = stated if len(stated) == 3 else SIZES
    few = CLASSES * cell.recipe.shots if cell.recipe.shots else None
    wanted = (few or cell.recipe.train, cell.recipe.validation, cell.recipe.test)
    train, validation, test = (min(size or have, have) for size, have in zip(wanted, known, strict=True))
    return train, validation, test


def _length(task: type[Task], cell: Cell) -> int:
    return max(1, round(cell.recipe.max_length * FILLED.get(task.adapter, FILLED_ELSE)))


def frozen_layers(phases: Sequence[Phase], depth: int) -> list[int]:
    """How many leading layers are frozen in each phase, before the names of the parameters are known."""
    return [max(0, _frozen_blocks(phase, depth) - 1) for phase in phases]


def only_head_learns(cell: Cell, registry: Registry) -> bool:
    """Whether the encoder is frozen in every phase; also where the strategy does not fit the encoder at all."""
    if registry.incompatible(cell):
        return True
    depth = registry.layers(cell)
    return all(_frozen_blocks(phase, depth) > depth for phase in registry.phases(cell))


def _frozen_blocks(phase: Phase, depth: int) -> int:
    names = [f"embeddings.{name}" for name in EMBEDDINGS]
    inserted = [pattern[8:].replace("*", "x") for pattern, _ in phase.rates if pattern.startswith("layers.*")]
    stand_ins = (*PARAMETERS, *(f"x{name}" for name in inserted))
    names += [f"layers.{layer}.{name}" for layer in range(depth) for name in stand_ins]
    return frozen_blocks(phase, [name for name in names if _is_covered(phase, name)], depth)


def _is_covered(phase: Phase, name: str) -> bool:
    """Whether a pattern covers the name. One may be missing for a stand-in name; the cell itself will report
    it."""
    with suppress(ValueError):
        return phase.rate(name) >= 0
    return False
