"""Unlabelled text that a run names: checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts import Cell
from bench.data import passages
from bench.data.splits import prepare
from bench.registry import Registry
from bench.runs.listeners import Screen


def check(cells: Sequence[Cell], registry: Registry, display: Screen) -> None:
    """Read each task's text, and note what of it is left out. BenchError where it cannot be used."""
    found = {}
    for cell in filter(registry.reads_unlabelled, cells):
        recipe, task = cell.recipe, cell.task.partition("@")[0]
        found.setdefault((task, recipe.unlabelled, recipe.validation, recipe.test, recipe.shift), cell)
    for (task, path, *_), cell in found.items():
        rows = prepare(registry.task(task), registry.sources, cell.recipe, cell.draw)
        for line in passages.read(path, rows).remarks:
            display.note(f"{task}: {line}")


def note_unread(cells: Sequence[Cell], registry: Registry, display: Screen) -> None:
    """Note where a recipe names a text that no strategy of the run reads."""
    if any(cell.recipe.unlabelled for cell in cells) and not any(map(registry.reads_unlabelled, cells)):
        display.note("no strategy of this run reads recipe.unlabelled; `tapt` does")
