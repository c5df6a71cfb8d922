"""Which combinations of strategies and backbones a task gets: a suite's grids, cut to what a request names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bench.contracts import BenchError
from bench.registry import unknown


class Grid(BaseModel, extra="forbid", frozen=True):
    """Every combination of its lists is run."""

    strategies: tuple[str, ...] = Field(min_length=1)
    backbones: tuple[str, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = ()  # default: all tasks of the suite
    seeds: int | None = Field(default=None, ge=1, le=1000)  # default: the suite's


@dataclass(frozen=True)
class Filters:
    """A request's choice out of a suite; empty means all."""

    tasks: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    seeds: int | None = None


@dataclass(frozen=True)
class SuiteGrids:
    """The grids of a suite, and the tasks that it has."""

    suite: str
    grids: Sequence[Grid]
    tasks: Collection[str]

    def of_tasks(self, tasks: Iterable[str], filters: Filters) -> dict[str, list[Grid]]:
        """The grids of each task, cut to the filters, and grids of what the filters name and those lack.

        BenchError where a task has no grid, or a grid names a task that the suite lacks."""
        for name in (name for grid in self.grids for name in grid.tasks if name not in self.tasks):
            raise unknown(f"task in a grid of suite '{self.suite}'", name, self.tasks)
        whole = {task: self._of_task(task, filters) for task in tasks}
        cut = {task: _cut(grids, filters) for task, grids in whole.items()}
        everywhere = [grid for grids in cut.values() for grid in grids]
        return {
            task: [*cut[task], *_lacking(grids[0], filters, cut[task] if filters.tasks else everywhere)]
            for task, grids in whole.items()
        }

    def _of_task(self, task: str, filters: Filters) -> list[Grid]:
        """The grids that apply to a task: of a task that the suite lacks, all. BenchError where there is none."""
        found = [g for g in self.grids if task not in self.tasks or not g.tasks or task in g.tasks]
        if found:
            return found
        if filters.strategies and filters.backbones:
            return [Grid(strategies=filters.strategies, backbones=filters.backbones)]
        raise BenchError(
            f"suite '{self.suite}': task '{task}' is in no grid: add it to the `tasks` of one, or name strategies "
            "and backbones",
            code="task-without-grid",
        )


def _cut(grids: Sequence[Grid], filters: Filters) -> list[Grid]:
    """The grids with the strategies and backbones that the filters name; grids without either are left out."""

    def keep(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if not wanted or name in wanted)

    kept = [
        (keep(g.strategies, filters.strategies), keep(g.backbones, filters.backbones), g.seeds) for g in grids
    ]
    return [Grid(strategies=names, backbones=on, seeds=seeds) for names, on, seeds in kept if names and on]


def _lacking(first: Grid, filters: Filters, found: Sequence[Grid]) -> list[Grid]:
    """Grids of the strategies and backbones that the filters name and `found` lacks: each with what the filters
    name of the other kind, else with that of the task's first grid."""
    strategies = tuple(name for name in filters.strategies if all(name not in g.strategies for g in found))
    backbones = tuple(name for name in filters.backbones if all(name not in g.backbones for g in found))
    pairs = (
        (strategies, filters.backbones or first.backbones),
        (filters.strategies or first.strategies, backbones),
    )
    return [Grid(strategies=names, backbones=on) for names, on in pairs if names and on]
