"""A suite: what to run, read from TOML and validated; every error names the key."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bench.contracts import BenchError, Cell, Recipe
from bench.models import catalog
from bench.models.pooling import family_pooling, own_pooling
from bench.planning.grids import Filters, Grid, SuiteGrids
from bench.planning.rates import Development, Rates, check_setting, check_unchanged
from bench.registry import Plugins, unknown
from bench.runs.names import is_cell_id, is_name
from bench.user_data import description
from bench.user_data.description import UserData

BUILT_IN = Path(__file__).parent / "suites"
RECIPE_KEYS = tuple(field.name for field in dataclasses.fields(Recipe))
MOST_SEEDS = 1000
MOST_CELLS = 100_000
MOST_EXAMPLES = 10**9
LONGEST_SUITE = 10 * 2**20
"""Bytes of a suite file."""
OWN = "own"
"""`pooling = "own"`: every backbone's own, put into the recipe of its cells."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


DRAWS = 10
"""Seeds by default where each draws a few examples of a class: scores differ by the draw more than by all else."""


class DataOptions(Section):
    """Where data come from."""

    local: Path | None = None  # a folder in the hub's layout, instead of the hub


class Suite(Section):
    """What to run. `tasks` and `strategies` hold what deviates: recipe keys, and options of a strategy. A task may
    also have `sizes`, numbers of training examples, "8shots" or "all": then it is run at each, as the task
    `name@size`."""

    name: str = ""
    description: str = ""
    seeds: int = Field(default=3, ge=1, le=MOST_SEEDS)
    recipe: dict[str, Any] = {}
    data: DataOptions = DataOptions()
    tasks: dict[str, dict[str, Any]] = {}
    strategies: dict[str, dict[str, Any]] = {}
    grid: tuple[Grid, ...] = Field(min_length=1)
    optional: tuple[str, ...] = ()  # tasks that `run` leaves out, and says so, where their rows cannot be had
    development: Development | None = None  # how the rates are chosen, before a test row is scored
    rates: Rates | None = None  # those that were chosen: written by `bench rates`

    def seeds_of(self, recipe: Recipe) -> int:
        """The seeds of a task with this recipe, where neither its grid nor the command says how many."""
        said = "seeds" in self.model_fields_set
        return DRAWS if recipe.shots and not said else self.seeds

    def sized_recipes(self, task: str) -> dict[str, Recipe]:
        """The recipe of a task by its name; of a task with `sizes`, or asked for as `name@size`, one a size."""
        name, _, size = task.partition("@")
        recipe = self.task_recipe(name)
        sizes = [size] if size else self.tasks.get(name, {}).get("sizes", [])
        if not isinstance(sizes, list) or len(set(map(str, sizes))) < len(sizes):
            raise BenchError(
                f"{_called(self.name)}task '{name}': sizes must be a list of different numbers or 'all'",
                code="wrong-sizes",
            )
        found = {f"{name}@{size}": _sized(recipe, name, size) for size in sizes}
        return found or {name: recipe}

    def task_recipe(self, task: str) -> Recipe:
        """The suite's recipe with the task's own keys on top; BenchError names a key that is wrong."""
        own = {key: value for key, value in self.tasks.get(task, {}).items() if key != "sizes"}
        if "data" in own:
            own = {key: value for key, value in own.items() if key not in description.KEYS}
        for where, keys in (("recipe", self.recipe), (f"tasks.{task}", own)):
            for key in keys:
                if key not in RECIPE_KEYS:
                    raise unknown(f"key in [{where}]{_of(self.name)}", key, RECIPE_KEYS, "unknown-recipe-key")
        keys = {**self.recipe, **own}
        if self.pools_as_backbone(task):
            del keys["pooling"]
        try:
            return TypeAdapter(Recipe).validate_python(keys, strict=False)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise BenchError(
                f"{_called(self.name)}task '{task}': {key or 'recipe'}: {_reason(first)}",
                code="wrong-recipe",
            ) from error

    def pools_as_backbone(self, task: str) -> bool:
        """Whether each cell of the task pools as its backbone was made to."""
        return self.tasks.get(task, {}).get("pooling", self.recipe.get("pooling")) == OWN

    def says_pooling(self, task: str) -> bool:
        """Whether the suite has a pooling for this task, so that no backbone chooses its own."""
        return "pooling" in self.recipe or "pooling" in self.tasks.get(task, {})

    def own_data(self, folder: Path) -> tuple[UserData, ...]:
        """The tasks that are files of data; relative paths are from `folder`. BenchError for a wrong key."""
        own = {name: keys for name, keys in self.tasks.items() if "data" in keys}
        return tuple(description.from_values(name, keys, folder) for name, keys in own.items())


USER_DATA = "own"
"""The suite of data that are given with --data. Its user knows no suite."""


def _called(name: str) -> str:
    return "" if name == USER_DATA else f"suite '{name}', "


def _of(name: str) -> str:
    return "" if name == USER_DATA else f" of suite '{name}'"


def _setting(where: str) -> str:
    """What a wrong key or value stands in: beside --data it can only be an option."""
    return "--set" if where == USER_DATA else f"suite {where}"


def _sized(recipe: Recipe, task: str, size: Any) -> Recipe:
    """The recipe at a size: a number of training examples, `all`, or `8shots`, so many examples of each class."""
    shots = re.fullmatch("([1-9][0-9]{0,6})shots", str(size)[:50])
    if shots:
        return replace(recipe, shots=int(shots[1]), train=None)
    return replace(recipe, train=_examples(task, size))


def _examples(task: str, size: Any) -> int | None:
    """How many training examples a size means; None: all."""
    if str(size) == "all":
        return None
    text = str(size)[:50]
    if isinstance(size, bool) or not re.fullmatch("0*[1-9][0-9]{0,9}", text) or int(text) > MOST_EXAMPLES:
        raise BenchError(
            f"task '{task}@{text}': a size is a number of training examples, or all; at most {MOST_EXAMPLES:,}, or "
            "8shots for 8 of each class",
            code="wrong-size",
        )
    return int(text)


def _reason(error: Any) -> str:
    if error["type"] == "missing":
        return "it is missing"
    if error["type"] == "too_short":
        return "give one at least"
    if error["type"] in ("tuple_type", "dict_type"):
        way = "write it as a list, in brackets" if error["type"] == "tuple_type" else "write it as a table"
        way = "begin each part of it with [[grid]]" if error["loc"] == ("grid",) else way
        return f"{way} (got {_shortened(error['input'])})"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{message} (got {_shortened(error['input'])})" if error["type"] != "value_error" else message


def _shortened(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}…"


def names() -> list[str]:
    """The built-in suites."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def path_of(name: str) -> Path:
    """The file of a built-in suite, or the one at this path."""
    return BUILT_IN / f"{name}.toml" if name in names() else Path(name)


def folder_of(name: str) -> Path:
    """Where a suite's relative paths of data start: beside its file; the current folder for a built-in one."""
    return Path(name).parent if name.endswith(".toml") else Path()


def load(
    name: str, settings: Sequence[str] = (), tasks: Mapping[str, Mapping[str, Any]] | None = None
) -> Suite:
    """The built-in suite of this name or the TOML file at this path, with `tasks` added, then `key=value` settings
    applied."""
    path = path_of(name)
    if path.suffix != ".toml":
        raise unknown("suite", name[:200], [*names(), "a path to a .toml file"])
    shown = str(path)[:300]
    try:
        if path.is_file() and path.stat().st_size > LONGEST_SUITE:
            raise BenchError(
                f"suite file {shown} has more than {LONGEST_SUITE >> 20} MB", code="too-large-suite"
            )
        values = _toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BenchError(f"suite file {shown}: there is no such file", code="no-suite") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise BenchError(f"suite file {shown} cannot be read: {reason}", code="cannot-read") from error
    except ValueError as error:
        raise BenchError(f"suite file {shown} is not valid TOML: {error}", code="not-toml") from error
    check_unchanged(values, shown)
    given = values.setdefault("tasks", {})
    if isinstance(given, dict):  # else validation says so
        given |= {task: dict(keys) for task, keys in (tasks or {}).items()}
    _complete_paths(values, folder_of(name))
    for setting in settings:
        check_setting(setting)
        _apply(values, setting)
    _complete_paths(values, Path())
    return validate({"name": path.stem, **values}, str(path if path.parent != BUILT_IN else path.stem))


def _complete_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the paths in recipes absolute, as workers may run in another folder; relative ones start in `folder`."""
    tasks = values.get("tasks")
    for keys in (values.get("recipe"), *(tasks.values() if isinstance(tasks, dict) else ())):
        if isinstance(keys, dict) and isinstance(path := keys.get("unlabelled"), str) and path:
            keys["unlabelled"] = str((folder / path).absolute())


def _toml(text: str) -> dict[str, Any]:
    """The values of a TOML text. ValueError in one line, also for what Python's reader gives up on."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise ValueError("an integer has thousands of digits") from error
    except RecursionError as error:
        raise ValueError("its lists or tables are nested hundreds of levels deep") from error


def validate(values: dict[str, Any], where: str) -> Suite:
    """A Suite from plain values; BenchError with the key, the reason and the nearest valid key."""
    try:
        suite = Suite.model_validate(values)
        if suite.name and not is_name(suite.name):
            raise BenchError(
                f"suite {where}: the name {suite.name[:80]!r} cannot be a folder: set `name` to letters, digits, "
                "'-', '_' and '.'",
                code="unsafe-name",
            )
        return suite
    except ValidationError as error:  # a key that is missing may be there, misspelt
        found = error.errors()
        first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
        location = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            sections = {"grid": Grid, "data": DataOptions, "development": Development, "rates": Rates}
            section = sections.get(str(first["loc"][0]), Suite)
            key = str(first["loc"][-1])
            near = difflib.get_close_matches(key, section.model_fields, n=1)
            if section is Suite and key in RECIPE_KEYS:
                near = [f"recipe.{key}"]
            hint = f"did you mean '{near[0]}'? " if near else ""
            valid = ", ".join(section.model_fields)
            raise BenchError(
                f"{_setting(where)}: unknown key '{location}': {hint}valid keys are {valid}",
                code="unknown-key",
            ) from error
        raise BenchError(
            f"{_setting(where)}: key '{location}': {_reason(first)}", code="wrong-value"
        ) from error


def _apply(values: dict[str, Any], setting: str) -> None:
    """Apply one `recipe.epochs=2`; the value is read as TOML, or as text where it is not. A recipe key set for
    all tasks wins over the suite's own keys of a task; `tasks.squad.epochs=1` sets it for one."""
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise BenchError(
            f"--set {setting}: write it as key=value, for example recipe.epochs=2", code="wrong-setting"
        )
    try:
        value = _toml(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    except ValueError as error:
        raise BenchError(f"--set {key[:80]}: {error}", code="wrong-setting") from error
    *path, last = key.split(".")
    if path == ["recipe"]:  # said on the command line, it is meant for every task
        tasks = values.get("tasks")
        for own in tasks.values() if isinstance(tasks, dict) else ():
            if isinstance(own, dict):
                own.pop(last, None)
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise BenchError(f"--set {setting}: '{part}' is not a table of the suite", code="wrong-setting")
    values[last] = value


def cells(suite: Suite, plugins: Plugins, filters: Filters | None = None) -> list[Cell]:
    """The suite's cells, task by task and backbone by backbone: cells that share a prefix are neighbours.

    Nothing that the filters name is left out: a task that the suite lacks gets all of its grids; a strategy or
    backbone without a cell is added to the tasks that the filters name, or to all where no task has it. A backbone
    that the filters do not name is left out of tasks whose head it cannot serve."""
    filters = filters or Filters()
    for name, options in suite.strategies.items():
        plugins.strategy(name, options.items())
    tasks = dict.fromkeys(filters.tasks or suite.tasks)
    if not tasks:
        raise BenchError(
            f"suite '{suite.name}' has no tasks: give data with --data FILE, or a task with --task",
            code="no-tasks",
        )
    recipes = {label: recipe for task in tasks for label, recipe in suite.sized_recipes(task).items()}
    names = dict.fromkeys(task.partition("@")[0] for task in tasks)
    grids = SuiteGrids(suite.name, suite.grid, suite.tasks).of_tasks(names, filters)
    if filters.seeds is not None and not 1 <= filters.seeds <= MOST_SEEDS:
        raise BenchError(f"{filters.seeds} seeds: a suite has 1 to {MOST_SEEDS:,}", code="too-many-seeds")
    found: dict[str, Cell] = {}
    for task, recipe in recipes.items():
        head = plugins.task(task).head
        for grid in grids[task.partition("@")[0]]:
            fitting = [b for b in grid.backbones if b in filters.backbones or catalog.reads(b, head)]
            for backbone, strategy in itertools.product(fitting, grid.strategies):
                if suite.pools_as_backbone(task.partition("@")[0]):
                    recipe = replace(recipe, pooling=own_pooling(backbone).kind)
                elif not suite.says_pooling(task.partition("@")[0]):
                    recipe = replace(recipe, pooling=family_pooling(backbone))
                options = tuple(sorted(suite.strategies.get(strategy, {}).items()))
                plugins.strategy(strategy, options)
                scale = suite.rates.scale(task, backbone, strategy) if suite.rates else None
                chosen = replace(recipe, rate_scale=recipe.rate_scale * (scale or 1.0))
                for seed in range(filters.seeds or grid.seeds or suite.seeds_of(recipe)):
                    cell = Cell(suite.name, task, strategy, backbone, seed, chosen, options)
                    _check_distinct(found.setdefault(cell.id, cell), cell)
                if len(found) > MOST_CELLS:
                    raise BenchError(
                        f"suite '{suite.name}' has more than {MOST_CELLS:,} cells: cut its grid or its seeds",
                        code="too-many-cells",
                    )
    order = {task: i for i, task in enumerate(recipes)}
    return sorted(found.values(), key=lambda cell: (order[cell.task], cell.backbone))


def _check_distinct(known: Cell, cell: Cell) -> None:
    """BenchError where two cells would be written to one place, or where the name of one is no place."""
    if known.backbone != cell.backbone:
        raise BenchError(
            f"backbones '{known.backbone}' and '{cell.backbone}' give their cells one name ({cell.id}): one would "
            "overwrite the other; rename one of the two",
            code="duplicate-cell",
        )
    if not is_cell_id(cell.id):
        raise BenchError(
            f"cell {cell.id[:200]!r} cannot be a file: give task, strategy and backbone shorter or plainer names",
            code="unsafe-name",
        )
