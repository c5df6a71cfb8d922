"""Cells that have run, as estimates look for them: the most similar first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.contracts import Cell, Recipe
from bench.models import catalog

Kind = tuple[str, str, str, Recipe, tuple[tuple[str, Any], ...]]


def kind_of(cell: Cell) -> Kind:
    """What cells have in common that differ in their seeds alone."""
    return cell.task, cell.strategy, cell.backbone, cell.recipe, cell.options


@dataclass(frozen=True)
class Sample:
    """A cell that has run: seconds of its own work, of its frozen prefix, and of preparing what its group shares;
    bytes; planned operations, and those of the prefix among them. measured: seconds of its own work as its record
    has them: seeds that train together are all charged for it. drift: log of how much slower than usual the machine
    was."""

    cell: Cell
    own: float
    prefix: float
    shared: float
    memory: int
    operations: float
    frozen: float
    measured: float
    on_cpu: bool = True
    drift: float = 0.0

    @property
    def usual(self) -> float:
        """Seconds of its own work, at the machine's usual speed."""
        return self.own * math.exp(-self.drift)

    @property
    def whole(self) -> float:
        """The same with the frozen prefix."""
        return (self.own + self.prefix) * math.exp(-self.drift)


class Samples:
    """Finds samples by what they have in common with a cell.

    is_counted: their operations are known. Without them only cells like each other tell anything."""

    def __init__(self, is_counted: bool) -> None:
        self._is_counted = is_counted
        self._found: dict[tuple[str, str], list[Sample]] = {}  # by backbone and task

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, sample: Sample) -> None:
        self._found.setdefault((sample.cell.backbone, sample.cell.task), []).append(sample)

    def change(self, changed: Callable[[Sample], Sample]) -> None:
        """Put what `changed` makes of each sample in its place."""
        for key, samples in self._found.items():
            self._found[key] = [changed(sample) for sample in samples]

    def all(self) -> list[Sample]:
        return [sample for samples in self._found.values() for sample in samples]

    def alike(self, cell: Cell) -> list[Sample]:
        """The samples on the cell's task and backbone."""
        return self._found.get((cell.backbone, cell.task), [])

    def seeds(self, cell: Cell) -> list[Sample]:
        """Those that differ from the cell in nothing but the seed: their seconds can be compared with its own."""
        kind = kind_of(cell)
        return [sample for sample in self.alike(cell) if kind_of(sample.cell) == kind]

    def same(self, cell: Cell) -> list[Sample]:
        """Its seeds; where none has run, the samples of its strategy on its task and backbone, under any recipe."""
        return self.seeds(cell) or [
            sample for sample in self.alike(cell) if sample.cell.strategy == cell.strategy
        ]

    def pool(self, cell: Cell) -> list[Sample]:
        """The samples of other strategies and tasks that say most: on the same backbone, else on one of the same
        kind (word vectors say nothing about encoders). Without operations, those of its strategy come first."""
        kind = catalog.kind_of(cell.backbone)
        kinds = {
            backbone: catalog.kind_of(backbone) for backbone in dict.fromkeys(key[0] for key in self._found)
        }
        found = [
            sample
            for (backbone, _), samples in self._found.items()
            for sample in samples
            if kinds[backbone] == kind and sample.operations > 0
        ]
        backbone = [sample for sample in found if sample.cell.backbone == cell.backbone]
        if not self._is_counted:
            strategy = [sample for sample in backbone if sample.cell.strategy == cell.strategy]
            task = [sample for sample in backbone if sample.cell.task == cell.task]
            return strategy or task or backbone or found
        return backbone or found
