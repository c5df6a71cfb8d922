"""The development draw: a suite's tasks without their test rows, on which every strategy tries the same scales."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Cell, Splits, Task, digest
from bench.data.splits import drop_duplicates, split_stratified
from bench.planning.grids import Filters
from bench.planning.rates import Development
from bench.registry import unknown
from bench.runs.drawn import drawn
from bench.suite import Suite

if TYPE_CHECKING:
    from bench.data.sources import Sources
    from bench.registry import Plugins

STEPS = 8
"""Numbers of validation rows that are tried between the least and half of the rows, about so many."""


@dataclass(frozen=True)
class DevelopmentDraw:
    """The task `of` without its test rows: its training and validation rows alone, of which at least `validation`
    decide. They also stand where test rows are asked for."""

    of: str
    validation: int

    @property
    def name(self) -> str:
        return drawn(self.of)

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        if self.of not in tasks:
            raise unknown("task", self.of, tasks)
        base, validation = tasks[self.of], self.validation

        def splits(self: Task, sources: Sources) -> Splits:
            return with_enough(base().splits(sources), validation, base.name)

        members = {
            "name": self.name,
            "sizes": "",  # those of the task are not of this cut
            "origin": digest(["development", base.name, base.version, base.origin, validation]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"{base.__name__}_development", (base,), members)


def without_test(splits: Splits, validation: int) -> Splits:
    """The splits without a test row. Where the task has fewer than `validation` validation rows, training and
    validation rows are cut anew, by group and in proportion to the labels. Official splits may share texts: a row
    whose content is in the test set goes first."""
    splits = drop_duplicates(splits)
    train, held_out = list(splits.train), list(splits.validation)
    if len(held_out) < validation:
        pool = [*train, *_renamed(held_out, {row.id for row in train})]
        share = min(0.5, validation / len(pool))
        cut = split_stratified(pool, {"train": 1 - share, "validation": share}, "development")
        train, held_out = cut["train"], cut["validation"]
    found = drop_duplicates(Splits(train, held_out, ()))
    scored = [replace(row, group="") for row in found.validation]  # the same rows in two splits, on purpose
    return replace(found, test=scored)


def with_enough(splits: Splits, validation: int, task: str) -> Splits:
    """`without_test`, so that at least `validation` rows decide: where whole groups or scarce labels leave fewer, a
    larger share is cut for validation, up to half of the rows. Of a task with fewer than twice as many rows about
    half decide. BenchError where its groups are too large for that."""
    splits = drop_duplicates(splits)
    rows = len(splits.train) + len(splits.validation)
    half = rows // 2
    larger = range(validation, half + 1, max((half - validation) // STEPS, 1))
    most = 0
    best = without_test(splits, validation)
    if len(splits.validation) >= validation:
        return best
    for asked in (validation, *larger[1:]):
        found = best if asked == validation else without_test(splits, asked)
        decide = len(found.validation) if len(found.train) >= rows // 4 else 0
        if decide >= min(validation, half):
            return found
        if decide > most:
            best, most = found, decide
    least = max(validation if half >= validation else rows // 4, 1)
    if most < least:
        raise BenchError(
            f"task '{task}': its groups leave {most:,} of {rows:,} rows to choose rates on, and at least {least:,} "
            "must decide: give smaller groups, leave the task out of the suite, or train at the defaults with "
            "--rates default",
            code="too-few-rows-to-choose",
        )
    return best


def _renamed(rows: Sequence[Any], taken: set[str]) -> list[Any]:
    return [replace(row, id=f"validation-{row.id}" if row.id in taken else row.id) for row in rows]


def development(suite: Suite) -> Development:
    """How the suite chooses its rates. BenchError where it does not say."""
    if suite.development is None:
        raise BenchError(
            f"suite '{suite.name}' has no section [development], which says how rates are chosen: add one with "
            "scales = [0.3, 1.0, 3.0], or run a suite that has one",
            code="no-development",
        )
    return suite.development


def draws(suite: Suite, tasks: Iterable[str] = ()) -> list[DevelopmentDraw]:
    """The development draws of the suite's tasks and of further ones, whatever their sizes."""
    rows = development(suite).validation
    names = dict.fromkeys(task.partition("@")[0] for task in (*suite.tasks, *tasks))
    return [DevelopmentDraw(name, rows) for name in names]


def development_suite(suite: Suite) -> Suite:
    """The suite that chooses the rates: every cell tries every scale, on the development draw of its task."""
    how = development(suite)
    tasks = {drawn(name): _smaller(_tried(keys), how.train) for name, keys in suite.tasks.items()}
    grids = tuple(
        grid.model_copy(update={"tasks": tuple(map(drawn, grid.tasks)), "seeds": None}) for grid in suite.grid
    )
    recipe = {
        **_smaller(_tried(suite.recipe), how.train),
        "validation": how.validation,
        "tune": list(how.scales),
    }
    update = {
        "name": f"{suite.name}-development",
        "seeds": how.seeds,
        "recipe": recipe,
        "tasks": tasks,
        "grid": grids,
        "optional": tuple(map(drawn, suite.optional)),
        "rates": None,
        "development": None,
    }
    return suite.model_copy(update=update)


def development_filters(filters: Filters) -> Filters:
    """The filters of a request, for the development draws of the tasks that they name."""
    return replace(filters, tasks=tuple(map(drawn, filters.tasks)))


def with_rates(cells: Sequence[Cell], plugins: Plugins) -> list[Cell]:
    """The cells that have a learning rate to choose: a head that L-BFGS solves for has none."""
    solved: dict[tuple[str, Any], bool] = {}
    for cell in cells:
        key = cell.strategy, cell.options
        if key not in solved:
            solved[key] = _is_solved(plugins.strategy(*key))
    return [cell for cell in cells if not solved[cell.strategy, cell.options]]


def _is_solved(strategy: Any) -> bool:
    for depth in (6, 12, 0):
        try:
            return all(phase.solver == "lbfgs" for phase in strategy.checked_phases(depth))
        except BenchError:
            continue
    return False


def _tried(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a recipe without those that the development draw sets."""
    return {key: value for key, value in keys.items() if key not in ("validation", "tune")}


def _smaller(keys: dict[str, Any], train: int | None) -> dict[str, Any]:
    """Keys of a recipe with at most so many training rows."""
    own = keys.get("train")
    return keys if train is None or (own is not None and own <= train) else {**keys, "train": train}
