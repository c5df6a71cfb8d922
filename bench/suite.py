"""A suite: what to run, read from TOML and validated; every error names the key."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bench.contracts import BenchError, Cell, Recipe
from bench.models.pooling import own_pooling
from bench.registry import Plugins, unknown
from bench.user_data import description
from bench.user_data.description import UserData

BUILT_IN = Path(__file__).parent / "suites"
RECIPE_KEYS = tuple(field.name for field in dataclasses.fields(Recipe))
OWN = "own"
"""`pooling = "own"`: every backbone's own, put into the recipe of its cells."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataOptions(Section):
    """Where data come from."""

    local: Path | None = None  # a folder in the hub's layout, instead of the hub


class Grid(Section):
    """Every combination of its lists is run."""

    strategies: tuple[str, ...] = Field(min_length=1)
    backbones: tuple[str, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = ()  # default: all tasks of the suite


class Suite(Section):
    """What to run. `tasks` and `strategies` hold what deviates: recipe keys, and options of a strategy. A task may
    also have `sizes`, numbers of training examples or "all": then it is run at each, as the task `name@size`."""

    name: str = ""
    description: str = ""
    seeds: int = Field(default=3, ge=1)
    recipe: dict[str, Any] = {}
    data: DataOptions = DataOptions()
    tasks: dict[str, dict[str, Any]] = {}
    strategies: dict[str, dict[str, Any]] = {}
    grid: tuple[Grid, ...] = Field(min_length=1)

    def sized_recipes(self, task: str) -> dict[str, Recipe]:
        """The recipe of a task by its name; of a task with `sizes`, or asked for as `name@size`, one a size."""
        name, _, size = task.partition("@")
        recipe = self.task_recipe(name)
        sizes = [size] if size else self.tasks.get(name, {}).get("sizes", [])
        if not isinstance(sizes, list) or len(set(map(str, sizes))) < len(sizes):
            raise BenchError(
                f"suite '{self.name}', task '{name}': sizes must be a list of different numbers or 'all'"
            )
        found = {f"{name}@{size}": replace(recipe, train=_examples(name, size)) for size in sizes}
        return found or {name: recipe}

    def task_recipe(self, task: str) -> Recipe:
        """The suite's recipe with the task's own keys on top; BenchError names a key that is wrong."""
        own = {key: value for key, value in self.tasks.get(task, {}).items() if key != "sizes"}
        if "data" in own:
            own = {key: value for key, value in own.items() if key not in description.KEYS}
        for where, keys in (("recipe", self.recipe), (f"tasks.{task}", own)):
            for key in keys:
                if key not in RECIPE_KEYS:
                    raise unknown(f"key in [{where}] of suite '{self.name}'", key, RECIPE_KEYS)
        keys = {**self.recipe, **own}
        if self.pools_as_backbone(task):
            del keys["pooling"]
        try:
            return TypeAdapter(Recipe).validate_python(keys, strict=False)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise BenchError(
                f"suite '{self.name}', task '{task}': {key or 'recipe'}: {_reason(first)}"
            ) from error

    def pools_as_backbone(self, task: str) -> bool:
        """Whether each cell of the task pools as its backbone was made to."""
        return self.tasks.get(task, {}).get("pooling", self.recipe.get("pooling")) == OWN

    def own_data(self, folder: Path) -> tuple[UserData, ...]:
        """The tasks that are files of data; relative paths are from `folder`. BenchError for a wrong key."""
        own = {name: keys for name, keys in self.tasks.items() if "data" in keys}
        return tuple(description.from_values(name, keys, folder) for name, keys in own.items())


def _examples(task: str, size: Any) -> int | None:
    """How many training examples a size means; None: all."""
    if str(size) == "all":
        return None
    if isinstance(size, bool) or not str(size).isdecimal() or int(size) < 1:
        raise BenchError(f"task '{task}@{size}': a size is a number of training examples, or all")
    return int(size)


def _reason(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{message} (got {error['input']!r})" if error["type"] != "value_error" else message


def names() -> list[str]:
    """The built-in suites."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def folder_of(name: str) -> Path:
    """Where a suite's relative paths of data start: beside its file; the current folder for a built-in one."""
    return Path(name).parent if name.endswith(".toml") else Path()


def load(
    name: str, settings: Sequence[str] = (), tasks: Mapping[str, Mapping[str, Any]] | None = None
) -> Suite:
    """The built-in suite of this name or the TOML file at this path, with `tasks` added, then `key=value` settings
    applied."""
    path = BUILT_IN / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
        if path.suffix != ".toml":
            raise unknown("suite", name, [*names(), "a path to a .toml file"])
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BenchError(f"suite file {path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"suite file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"suite file {path} is not valid TOML: {error}") from error
    for task, keys in (tasks or {}).items():
        values.setdefault("tasks", {})[task] = dict(keys)
    for setting in settings:
        _apply(values, setting)
    return validate({"name": path.stem, **values}, str(path if path.parent != BUILT_IN else path.stem))


def validate(values: dict[str, Any], where: str) -> Suite:
    """A Suite from plain values; BenchError with the key, the reason and the nearest valid key."""
    try:
        return Suite.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            section = {"grid": Grid, "data": DataOptions}.get(str(first["loc"][0]), Suite)
            key = str(first["loc"][-1])
            near = difflib.get_close_matches(key, section.model_fields, n=1)
            if section is Suite and key in RECIPE_KEYS:
                near = [f"recipe.{key}"]
            hint = f"did you mean '{near[0]}'? " if near else ""
            valid = ", ".join(section.model_fields)
            raise BenchError(
                f"suite {where}: unknown key '{location}': {hint}valid keys are {valid}"
            ) from error
        raise BenchError(f"suite {where}: key '{location}': {_reason(first)}") from error


def _apply(values: dict[str, Any], setting: str) -> None:
    """Apply one `recipe.epochs=2`; the value is read as TOML, or as text where it is not. A recipe key set for
    all tasks wins over the suite's own keys of a task; `tasks.squad.epochs=1` sets it for one."""
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise BenchError(f"--set {setting}: write it as key=value, for example recipe.epochs=2")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.split(".")
    if path == ["recipe"]:  # said on the command line, it is meant for every task
        tasks = values.get("tasks")
        for own in tasks.values() if isinstance(tasks, dict) else ():
            if isinstance(own, dict):
                own.pop(last, None)
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise BenchError(f"--set {setting}: '{part}' is not a table of the suite")
    values[last] = value


@dataclasses.dataclass(frozen=True)
class Filters:
    """The command line's choice out of a suite; empty means all."""

    tasks: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    seeds: int | None = None


def cells(suite: Suite, plugins: Plugins, filters: Filters | None = None) -> list[Cell]:
    """The suite's cells, task by task and backbone by backbone: cells that share a prefix are neighbours.

    A task, strategy or backbone that the filters name and the suite lacks is added to its first grid."""
    filters = filters or Filters()
    for name, options in suite.strategies.items():
        plugins.strategy(name, options.items())
    tasks = dict.fromkeys(filters.tasks or suite.tasks)
    if not tasks:
        raise BenchError(
            f"suite '{suite.name}' has no tasks: give data with --data FILE, or a task with --task"
        )
    recipes = {label: recipe for task in tasks for label, recipe in suite.sized_recipes(task).items()}
    grids = _grids(suite, filters)
    found: dict[str, Cell] = {}
    for task, recipe in recipes.items():
        plugins.task(task)
        name = task.partition("@")[0]
        for grid in grids:
            if grid.tasks and name not in grid.tasks and name in suite.tasks:
                continue
            for backbone, strategy in itertools.product(grid.backbones, grid.strategies):
                if suite.pools_as_backbone(name):
                    recipe = replace(recipe, pooling=own_pooling(backbone).kind)
                options = tuple(sorted(suite.strategies.get(strategy, {}).items()))
                plugins.strategy(strategy, options)
                for seed in range(filters.seeds or suite.seeds):
                    cell = Cell(suite.name, task, strategy, backbone, seed, recipe, options)
                    found.setdefault(cell.id, cell)
    if not found:
        raise BenchError(f"suite '{suite.name}': no cell is left after the filters")
    order = {task: i for i, task in enumerate(recipes)}
    return sorted(found.values(), key=lambda cell: (order[cell.task], cell.backbone))


def _grids(suite: Suite, filters: Filters) -> list[Grid]:
    """The suite's grids, cut to the filters; wanted names that no grid has join the first one."""
    first, *rest = suite.grid
    strategies = {name for grid in suite.grid for name in grid.strategies}
    backbones = {name for grid in suite.grid for name in grid.backbones}
    first = first.model_copy(
        update={
            "strategies": first.strategies + tuple(s for s in filters.strategies if s not in strategies),
            "backbones": first.backbones + tuple(b for b in filters.backbones if b not in backbones),
        }
    )

    def keep(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if not wanted or name in wanted)

    return [
        grid.model_copy(
            update={
                "strategies": keep(grid.strategies, filters.strategies),
                "backbones": keep(grid.backbones, filters.backbones),
            }
        )
        for grid in (first, *rest)
    ]
