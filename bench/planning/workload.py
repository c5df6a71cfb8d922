"""Estimates roughly what a cell computes and holds in memory, from its recipe, strategy and backbone.

Only ratios and magnitudes matter: no text is tokenised. Rows and lengths are counted where they have been read and
assumed elsewhere. Imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bench.contracts import BenchError, Cell, Phase, Task, frozen_blocks
from bench.planning.rows_read import RowsRead, Sizes
from bench.registry import Registry

FILLED = {"qa": 0.9, "unanswerable": 0.9}
FILLED_ELSE = 0.5
"""The share of `max_length` that an example is assumed to fill, by adapter."""

STEP = 2e9
"""What a step costs besides matrix products, in their operations: Python, the optimizer, kernel launches."""

STEP_OF_HEAD = 2.5e8
"""The same where a head alone learns: seeds train together, and no encoder runs in a step."""

PROCESS = 500 * 2**20
"""Bytes of a process that has loaded the libraries."""

ACTIVATIONS = 20
"""Activations of `width` that a layer keeps for each token of a batch, for the backward pass."""

ON_CPU = 800 * 2**20
"""Bytes of a process that has run a cell on a CPU, without its weights: the least squares of what the committed
baselines recorded of encoders."""

KEPT_ON_CPU = 70
"""As ACTIVATIONS, of the longest batch on a CPU: with what is computed on the way, and what the system does not
take back. From the same fit: of 102 recorded cells seven in ten take 0.8 to 1.2 of what it says, all 0.6 to 1.6."""

CLASSES = 5
"""Classes of a task that is run on so many rows of each."""

SIZES = (10_000, 1_000, 1_000)
"""Train, validation and test where neither the recipe nor the task says."""

PARAMETERS = ("x.weight", "x.bias", "LayerNorm.weight", "x.lora_A.weight", "x.adapter.down.weight")
"""Names that stand for the parameters of a layer. A phase adds names that its patterns for all layers match:
methods of PEFT insert others."""

TABLE = "embeddings.word_embeddings.weight"
EMBEDDINGS = ("word_embeddings.weight", "LayerNorm.bias")
"""Names that stand for the parameters of the embeddings."""


@dataclass(frozen=True)
class Workload:
    """The cost of cells, before anything is loaded. rows: what has been read of the tasks until now."""

    registry: Registry
    rows: RowsRead = field(default_factory=RowsRead)

    def sizes(self, cell: Cell) -> Sizes:
        """Examples of train, validation and test: as they were read, else as they are stated."""
        return self.rows.sizes_of(cell) or sizes(type(self.registry.task(cell.task)), cell)

    def _tokens(self, cell: Cell) -> float:
        """Tokens of an example, in all of its windows."""
        return self.rows.tokens_of(cell) or _length(type(self.registry.task(cell.task)), cell)

    def operations(self, cell: Cell) -> float:
        """Floating-point operations of one cell alone; 0 where its strategy does not fit."""
        shape, depth, recipe = self.registry.shape(cell.backbone), self.registry.layers(cell), cell.recipe
        try:
            phases = self.registry.phases(cell)
        except BenchError:
            return 0.0
        train, validation, test = self.sizes(cell)
        layer = shape.runs * self._layer(cell)  # forward, an example
        frozen = frozen_layers(phases, depth)
        last = frozen[-1]
        passes = math.ceil(recipe.epochs * recipe.evaluations)
        learnt = sum(phase.share * (depth - below) for phase, below in zip(phases, frozen, strict=True))
        tries = max(1, len(recipe.tune))
        layers = tries * 3 * recipe.epochs * train * learnt  # forward, and twice as much backward
        layers += max(frozen) * (train + validation)  # the frozen prefix, once
        layers += tries * passes * validation * (depth - last) + test * depth
        steps = tries * recipe.epochs * train + (tries * passes * validation + test) / 3
        step = STEP if learnt else STEP_OF_HEAD
        return layer * layers + step * math.ceil(steps / recipe.batch_size)

    def prefix(self, cell: Cell) -> float:
        """How many of these are of the frozen prefix, which all seeds share; 0 where the strategy does not fit."""
        depth = self.registry.layers(cell)
        try:
            frozen = frozen_layers(self.registry.phases(cell), depth)
        except BenchError:
            return 0.0
        train, validation, test = self.sizes(cell)
        return self._layer(cell) * (max(frozen) * (train + validation) + frozen[-1] * test)

    def _layer(self, cell: Cell) -> float:
        """Operations of one layer's forward pass over an example."""
        shape, tokens = self.registry.shape(cell.backbone), self._tokens(cell)
        return tokens * (2.0 * shape.layer + 4.0 * shape.width * min(tokens, cell.recipe.max_length))

    def memory(self, cell: Cell, seeds: int = 1) -> int:
        """Bytes at the peak: weights, their gradients, moments and best state, and a batch's activations. seeds: of
        the cell that train at once; they share rows and given weights."""
        given, learning, frozen = self._held(cell)
        if not frozen:
            return 0
        activations = self._activations(cell, frozen)
        more = (seeds - 1) * (given + learning + activations)
        return PROCESS + 4 * (given + learning + activations + more)

    def resident(self, cell: Cell) -> int:
        """Bytes of a process on a CPU at its peak: as `memory`, with the activations of the frozen prefix, and the
        longest batch in place of the usual one. 0 where the strategy does not fit."""
        given, learning, frozen = self._held(cell)
        if not frozen:
            return 0
        depth, recipe = self.registry.layers(cell), cell.recipe
        if not depth:  # word vectors run no layer
            return ON_CPU + 4 * (given + learning + self._activations(cell, frozen))
        shape = self.registry.shape(cell.backbone)
        examples = sum(self.sizes(cell)) if frozen[-1] else sum(self.sizes(cell)[:2])
        prefix = examples * self._tokens(cell) * shape.width if max(frozen) else 0
        longest = recipe.max_length * recipe.batch_size * shape.width * shape.runs
        return int(ON_CPU + 4 * (given + learning + prefix + longest * KEPT_ON_CPU * (depth - min(frozen))))

    def _held(self, cell: Cell) -> tuple[int, int, list[int]]:
        """Values of the weights; of the gradients, moments and best state of those that learn; and how many leading
        layers are frozen, by phase: none where the strategy does not fit."""
        shape, depth = self.registry.shape(cell.backbone), self.registry.layers(cell)
        try:
            phases = self.registry.phases(cell)
        except BenchError:
            return shape.parameters, 0, []
        frozen = frozen_layers(phases, depth)
        table = any(_is_covered(phase, TABLE) and phase.rate(TABLE) for phase in phases)
        return (
            shape.parameters,
            4 * (shape.parameters if table else (depth - min(frozen)) * shape.layer),
            frozen,
        )

    def _activations(self, cell: Cell, frozen: Sequence[int]) -> int:
        """Values that the layers which learn keep of a usual batch; its windows are examples."""
        shape, depth = self.registry.shape(cell.backbone), self.registry.layers(cell)
        length = min(math.ceil(self._tokens(cell)), cell.recipe.max_length)
        tokens = length * cell.recipe.batch_size
        return tokens * shape.width * ACTIVATIONS * max(1, depth - min(frozen)) * shape.runs


def sizes(task: type[Task], cell: Cell) -> Sizes:
    """Examples of train, validation and test: the recipe's, of no more than the task states; else a guess."""
    recipe = cell.recipe
    few = CLASSES * recipe.shots if recipe.shots else None
    wanted = few or recipe.train, recipe.validation, recipe.test
    have = stated_sizes(task)
    if have is None:
        train, validation, test = (size or guess for size, guess in zip(wanted, SIZES, strict=True))
    else:
        train, validation, test = (min(size or most, most) for size, most in zip(wanted, have, strict=True))
    return train, validation, test


def stated_sizes(task: type[Task]) -> Sizes | None:
    """What a task says of its train, validation and test rows; None where it does not say."""
    found = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", task.sizes.split(";")[0])]
    return (found[0], found[1], found[2]) if len(found) == 3 else None


def _length(task: type[Task], cell: Cell) -> int:
    return max(1, round(cell.recipe.max_length * FILLED.get(task.adapter, FILLED_ELSE)))


def frozen_layers(phases: Sequence[Phase], depth: int) -> list[int]:
    """How many leading layers are frozen in each phase, before the names of the parameters are known."""
    return [max(0, _frozen_blocks(phase, depth) - 1) for phase in phases]


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
