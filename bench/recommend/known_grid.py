"""A data set on which all is known: its full grid on the test rows, and every cell that `recommend` could run.

These cells depend on no rule and no budget. They are run once and kept; a rule is then judged from the records
(`bench.recommend.replay`), as often as it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from bench.analysis.loading import Run
from bench.contracts import Cell, Splits, Task, digest
from bench.data.sources import Sources
from bench.data.splits import subset, training_subset
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.planning.workload import stated_sizes
from bench.recommend.answer import STRATEGIES
from bench.recommend.successive_halving import SEEDS, Bracket, measured, sizes_for
from bench.recommend.views import Selection
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.listeners import Screen
from bench.user_data.summary import recipe_for

LONGEST = 64  # tokens of a text here, so that six grids take minutes on two cores


class Setting(BaseModel, frozen=True):
    """What all data sets are run with. share: of the grid's work, as the budget of `recommend`."""

    rows: int = 400
    test: int = 400
    share: float = 0.55
    strategies: tuple[str, ...] = STRATEGIES
    backbone: str = "minilm"


@dataclass(frozen=True)
class Small:
    """The task `of` with `rows` training rows, as a user with a small file would have it."""

    of: str
    rows: int
    test: int

    @property
    def name(self) -> str:
        return f"{self.of}-{self.rows}"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        base, rows, test = tasks[self.of], self.rows, self.test

        def splits(self: Task, sources: Sources) -> Splits:
            whole = base().splits(sources)
            validation = subset(whole.validation, max(rows // 5, 1))
            return Splits(training_subset(whole.train, rows), validation, subset(whole.test, test))

        most = rows, max(rows // 5, 1), test
        members = {
            "name": self.name,
            "sizes": "/".join(map(str, map(min, most, stated_sizes(base) or most))),
            "origin": digest([base.name, base.version, base.origin, rows, test]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"{base.__name__}_{rows}", (base,), members)


@dataclass(frozen=True)
class Known:
    """grid: scored on the test rows. rounds: all that `recommend` could run, on growing sizes, scored on its
    selection rows."""

    grid: Run
    rounds: Run
    sizes: tuple[int, ...]
    bracket: Bracket


def known(
    task: str, setting: Setting, sources: Sources, folder: Path, options: Options, screen: Screen
) -> Known:
    """Run what `folder` lacks: an attempt that was interrupted goes on where it stopped. Raises BenchError."""
    small = Small(task, setting.rows, setting.test)
    view = Selection(small.name)
    registry = Registry(discover([*options.plugin_files, small, view]), sources)
    options = replace(options, plugin_files=registry.given)
    cell = _cell(small.name, setting, registry)
    cells = [replace(cell, strategy=name, seed=seed) for name in setting.strategies for seed in range(SEEDS)]
    records = launch(cells, registry, folder / "grid", options, screen)
    splits = registry.task(view.name).splits(sources)
    sizes = sizes_for(len(splits.train), len(registry.task(view.name).labels(splits.train)))
    bracket = Bracket(
        small.name, view.name, setting.strategies, setting.backbone, cell.recipe, 0.0, folder / "rounds"
    )
    launch(bracket.all_cells(sizes), registry, folder / "rounds", replace(options, growing=True), screen)
    rounds = measured(bracket, sizes, registry)
    grid = Run(task, records, Store(folder / "grid").predictions)
    return Known(grid, rounds, tuple(sizes), bracket)


def _cell(name: str, setting: Setting, registry: Registry) -> Cell:
    """The cell with the recipe that `recommend` takes, texts cut at LONGEST tokens."""
    task = registry.task(name)
    splits = task.splits(registry.sources)
    recipe = recipe_for(task.adapter, splits, setting.backbone, registry.sources)
    recipe = replace(recipe, max_length=min(recipe.max_length, LONGEST))
    return Cell(f"grid-{name}", name, setting.strategies[0], setting.backbone, 0, recipe)
