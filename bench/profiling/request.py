"""Whose training steps are measured, and on what: checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import choose_device
from bench.registry import Registry, discover
from bench.suite import load


@dataclass(frozen=True)
class Request:
    """Strategies on one task with one backbone, under the recipe and the strategy options of a suite."""

    suite: str
    task: str
    backbone: str
    strategies: tuple[str, ...]
    device: str = "auto"
    threads: int | None = None
    plugin_files: tuple[Path, ...] = ()

    def cells(self) -> tuple[list[Cell], Registry]:
        """A cell of each strategy. BenchError where a name is unknown."""
        suite = load(self.suite)
        registry = Registry(discover(self.plugin_files), Sources(local=suite.data.local))
        registry.task(self.task)
        recipe = suite.task_recipe(self.task)
        cells = []
        for name in dict.fromkeys(self.strategies):
            options = tuple(suite.strategies.get(name, {}).items())
            cells.append(Cell("profile", self.task, name, self.backbone, 0, recipe, options))
            registry.strategy(cells[-1])
        return cells, registry

    def each_task(self) -> tuple[list[Cell], Registry]:
        """The cells of the task or, where none is named, of every task of the suite. BenchError where a name is
        unknown."""
        names = [self.task] if self.task else list(load(self.suite).tasks)
        if not names:
            raise BenchError(f"suite '{self.suite}' has no tasks: name one with --task", code="no-tasks")
        found, registry = [], None
        for name in names:
            cells, registry = replace(self, task=name).cells()
            found += cells
        assert registry is not None
        return found, registry

    def prepare(self) -> tuple[list[Cell], CellGroup, RunContext]:
        """A cell of each strategy, and what they share. BenchError where a name is unknown or a strategy takes no
        steps."""
        cells, registry = self.cells()
        for cell in cells:
            if any(phase.solver != "adamw" for phase in registry.phases(cell)):
                raise BenchError(
                    f"strategy '{cell.strategy}' takes no training steps: its head is solved for",
                    code="no-training-steps",
                )
        context = RunContext(registry, choose_device(self.device, self.threads))
        group = prepare_group(cells[0], context)
        torch.manual_seed(0)
        return cells, group, context
