"""Finds strategies and tasks, and resolves the names in a cell, once.

Plug-ins come from the two folders, from entry points and from a user's files. No list is kept by hand."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import bench
from bench.contracts import BenchError, Cell, Metric, Phase, Strategy, Task, said
from bench.data import passages
from bench.data.foreign import contained
from bench.data.sources import Sources
from bench.models import catalog
from bench.models.shape import Shape
from bench.runs import identity
from bench.runs.names import is_name

T = TypeVar("T", Strategy, Task)

PEFT = "peft"
"""The strategy that a suite's new name stands for where its options have a key of that name."""

_KINDS: dict[type, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("text", (str,)),
}
"""What an option may be, by the type of its default."""


def unknown(kind: str, name: str, valid: Iterable[str], code: str = "") -> BenchError:
    """The error for a name that does not exist: the nearest one, and all valid ones. code: `unknown-<kind>`, unless
    another is given."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return BenchError(
        f"unknown {kind} '{name}': {hint}choose from {', '.join(names) or 'none'}",
        code or f"unknown-{kind.replace(' ', '-')}",
    )


class Description(Protocol):
    """A task described by values instead of code: a file of data, a view of another task. It is pickled to
    workers."""

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        """The task's class, from the abstract adapters by name, and the tasks found so far."""
        ...


Given = Path | Description
"""What a request adds to the folders and entry points: a Python file, or a description."""


@dataclass(frozen=True)
class Plugins:
    """Every strategy and task that was found, by name; `given` is what the request added, for other processes."""

    strategies: dict[str, type[Strategy]]
    tasks: dict[str, type[Task]]
    given: tuple[Given, ...] = ()

    def strategy(self, name: str, options: Iterable[tuple[str, Any]] = ()) -> Strategy:
        """The strategy with its options; BenchError for an unknown name or option.

        A name that is none of a strategy may stand for one with other options: `base` among them names it."""
        values = dict(options)
        base = values.pop("base", PEFT if name not in self.strategies and PEFT in values else name)
        if not isinstance(base, str) or base not in self.strategies:
            raise unknown("strategy", str(base)[:80], self.strategies)
        cls = self.strategies[base]
        if base != name and (name in self.strategies or not is_name(name)):
            why = "is taken by another strategy" if name in self.strategies else "cannot be a folder"
            raise BenchError(f"strategies.{name}: the name {why}; choose another", code="taken-name")
        fields = {f.name: f for f in dataclasses.fields(cls)}
        if cls.rest:
            others = [key for key in values if key not in fields]
            values[cls.rest] = tuple((key, values.pop(key)) for key in sorted(others))
        for key, value in values.items():
            if key not in fields:
                raise unknown(f"option of strategy '{name}'", key, fields, code="unknown-option")
            expected = _KINDS.get(type(fields[key].default))
            if expected and type(value) not in expected[1]:
                raise BenchError(
                    f"strategy '{name}': {key} is {value!r}; it must be {expected[0]}", code="wrong-option"
                )
        found = _made(cls, values)
        if base != name:
            object.__setattr__(
                found, "name", name
            )  # in messages and records it is called as the suite calls it
        return found

    def task(self, name: str) -> Task:
        """The task; `name@size` is the task `name` on so many training examples. BenchError for an unknown name."""
        name = name.partition("@")[0]
        if name not in self.tasks:
            raise unknown("task", name, self.tasks)
        return _made(self.tasks[name], {})


@dataclass(frozen=True)
class Registry:
    """What the names in a cell stand for: its strategy, task, phases, encoder and fingerprint, each resolved once.

    sources: where rows and weights come from."""

    plugins: Plugins
    sources: Sources = field(default_factory=Sources)
    _strategies: dict[tuple[str, type[Strategy] | None, str], tuple[Strategy, list[Any]]] = dataclasses.field(
        default_factory=dict, repr=False
    )
    _tasks: dict[str, Task] = field(default_factory=dict, repr=False)
    _shapes: dict[str, Shape] = field(default_factory=dict, repr=False)
    _depths: dict[str, int] = field(default_factory=dict, repr=False)
    _identities: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def given(self) -> tuple[Given, ...]:
        """What the request added to the plug-ins, for other processes."""
        return self.plugins.given

    def strategy(self, cell: Cell) -> Strategy:
        """The cell's strategy with its options; BenchError for an unknown name or option."""
        return self._resolved(cell)[0]

    def task(self, name: str) -> Task:
        """A task, of whatever size (`name@size`); BenchError for an unknown name."""
        name = name.partition("@")[0]
        if name not in self._tasks:
            self._tasks[name] = self.plugins.task(name)
        return self._tasks[name]

    def shape(self, backbone: str) -> Shape:
        """The dimensions of a backbone, without a download: assumed where its configuration is not here yet."""
        if backbone not in self._shapes:
            self._shapes[backbone] = catalog.shape(backbone, self.sources.cache)
        return self._shapes[backbone]

    def depth(self, backbone: str) -> int:
        """The layers of a backbone, from its configuration, which is downloaded when missing.

        BenchError where there is no such backbone."""
        if backbone not in self._depths:
            self._depths[backbone] = catalog.depth(backbone, self.sources)
            self._shapes.pop(backbone, None)  # was assumed, perhaps
        return self._depths[backbone]

    def layers(self, cell: Cell) -> int:
        """The encoder layers that the cell uses."""
        depth = self._depths.get(cell.backbone)
        depth = self.shape(cell.backbone).depth if depth is None else depth
        return min(depth, cell.recipe.layers or depth)

    def phases(self, cell: Cell) -> tuple[Phase, ...]:
        """The phases of the cell's strategy; BenchError where it does not fit the encoder."""
        return self.strategy(cell).checked_phases(self.layers(cell))

    def incompatible(self, cell: Cell) -> str:
        """Why the cell's strategy does not fit its encoder or its task; '' where it does."""
        try:
            phases = self.phases(cell)
        except BenchError as error:
            return str(error)
        if catalog.kind_of(cell.backbone) == "counts" and (reason := self._not_on_counts(cell, phases)):
            return reason
        if any(p.objective == "contrastive" for p in phases) and self.task(cell.task).head != "pooled":
            return (
                f"strategy '{cell.strategy}' needs one label for each text, and task '{cell.task}' has none"
            )
        return ""

    def _not_on_counts(self, cell: Cell, phases: tuple[Phase, ...]) -> str:
        """Why the cell cannot be run on counts of words: they have no weights, and give one vector a text."""
        strategy = self.strategy(cell)
        changes = type(strategy).adapt is not Strategy.adapt or not strategy.pretrained
        if changes or [phase.solver for phase in phases] != ["lbfgs"]:
            return (
                f"strategy '{cell.strategy}' needs an encoder, and '{cell.backbone}' has none: use probe, which "
                "solves for the head alone"
            )
        if not catalog.reads(cell.backbone, self.task(cell.task).head):
            return (
                f"'{cell.backbone}' reads whole texts, and task '{cell.task}' needs an answer for their words"
            )
        return ""

    def trains_together(self, cell: Cell) -> bool:
        """Whether the cell's other seeds train in one computation with it. That follows from what its strategy
        declares: only a head learns, and it reads pooled features of an encoder that keeps its given weights."""
        strategy = self.strategy(cell)
        if type(strategy).adapt is not Strategy.adapt or not strategy.pretrained or self.incompatible(cell):
            return False
        if strategy.reinit or strategy.anchor or strategy.average != "none":
            return False
        first, *more = self.phases(cell)
        head_alone = not more and first.solver == "adamw" and not any(rate for _, rate in first.rates)
        return head_alone and self.task(cell.task).head == "pooled"

    def fingerprint(self, cell: Cell) -> str:
        """The digest of everything that determines the cell's result."""
        text = passages.digest_of(cell.recipe.unlabelled) if self.reads_unlabelled(cell) else ""
        weights = self._identity(cell.backbone)
        return identity.fingerprint(cell, self._resolved(cell)[1], self.task(cell.task), weights, text)

    def _identity(self, backbone: str) -> str:
        """Of the weights, as they were when they were first asked for."""
        if backbone not in self._identities:
            self._identities[backbone] = catalog.identity(backbone)
        return self._identities[backbone]

    def has_changed(self, backbone: str) -> bool:
        """Whether the files of a backbone are others than when they were first asked for."""
        return catalog.identity(backbone) != self._identity(backbone)

    def weights(self, backbone: str) -> str:
        """What a record says of the weights of a backbone. BenchError where there is no such backbone."""
        return catalog.weights(self._identity(backbone), self.sources.cache)

    def reads_unlabelled(self, cell: Cell) -> bool:
        """Whether the cell learns from the text file that its recipe names."""
        if not cell.recipe.unlabelled or self.incompatible(cell):
            return False
        return any(phase.objective == "masked-lm" for phase in self.phases(cell))

    def _resolved(self, cell: Cell) -> tuple[Strategy, list[Any]]:
        """The strategy, and what it declares for the fingerprint."""
        # another class may have taken the name since; True is not 1
        key = cell.strategy, self.plugins.strategies.get(cell.strategy), repr(cell.options)
        if key not in self._strategies:
            found = self.plugins.strategy(cell.strategy, cell.options)
            self._strategies[key] = found, identity.declared(found)
        return self._strategies[key]


def discover(given: Iterable[Given] = ()) -> Plugins:
    """Scan `strategies/`, `tasks/`, the entry points of both names and what is given: files, and descriptions.

    Raises BenchError where a file cannot be imported or two plug-ins have one name."""
    given = tuple(
        dict.fromkeys(Path(os.path.realpath(item)) if isinstance(item, Path) else item for item in given)
    )
    own = [_file(item) for item in given if isinstance(item, Path)]
    modules = [*_folder("strategies"), *_folder("tasks"), *_entry_points(), *own]
    tasks = _collect(modules, Task)
    for item in given:
        if not isinstance(item, Path):
            _add(item.task(adapters(), tasks), tasks)
    return Plugins(_collect(modules, Strategy), dict(sorted(tasks.items())), given)


@functools.cache
def built_in_caveats() -> dict[str, str]:
    """What flatters or unsettles scores, by the name of a task or a backbone of this project."""
    tasks = _collect(_folder("tasks"), Task)
    named = {name: cls.caveat for name, cls in tasks.items()}
    named |= {name: entry.caveat for name, entry in catalog.BACKBONES.items()}
    return {name: caveat for name, caveat in named.items() if caveat}


def adapters() -> dict[str, type[Task]]:
    """The abstract tasks that implement everything but `splits`, by the name of their adapter."""
    classes = [cls for module in _folder("tasks") for cls in vars(module).values() if inspect.isclass(cls)]
    return {
        cls.adapter: cls
        for cls in classes
        if issubclass(cls, Task) and cls.__abstractmethods__ == {"splits"} and hasattr(cls, "adapter")
    }


def _add(task: type[Task], tasks: dict[str, type[Task]]) -> None:
    if tasks.setdefault(task.name, task) is not task:
        raise BenchError(
            f"the name '{task.name}' is taken by another task: choose another one with --name",
            code="taken-name",
        )


def _folder(package: str) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(_own_package(package).__path__):
        yield importlib.import_module(f"{package}.{info.name}")


def _own_package(name: str) -> ModuleType:
    """The package of this name beside `bench`, whatever folder or file of the same name comes first on the path.

    BenchError where the process has imported another one already."""
    folder = Path(bench.__file__).parent.with_name(name)
    if name not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec(name, [str(folder.parent)])
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    package = sys.modules[name]
    if folder.resolve() not in [Path(path).resolve() for path in getattr(package, "__path__", ())]:
        where = getattr(package, "__file__", None) or "another folder"
        raise BenchError(
            f"this process has imported a module '{name}' from {where}, and transferbench has a package of that "
            "name: rename yours, or keep it out of this process",
            code="taken-name",
        )
    return package


def _entry_points() -> Iterator[ModuleType]:
    every = entry_points()  # of all installed packages: one look, which takes a tenth of a second
    for group in ("transferbench.strategies", "transferbench.tasks"):
        for entry in every.select(group=group):
            where = f"{entry.dist.name if entry.dist else 'unknown'}: {entry.value}"
            try:
                with contained("its import"), redirect_stdout(sys.stderr):
                    module = importlib.import_module(entry.module)
            except Exception as error:
                raise BenchError(
                    f"the installed plug-in {where} cannot be imported: {_said(error)}",
                    code="cannot-import-plugin",
                ) from error
            yield module


def _file(path: Path) -> ModuleType:
    try:
        found = path.is_file()
    except OSError:  # a name longer than the file system allows
        found = False
    if not found:
        raise BenchError(f"--plugin {str(path)[:300]}: there is no such file", code="no-plugin")
    name = f"plugin_{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"--plugin {path}: not a Python file", code="not-python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contained("its import"), redirect_stdout(sys.stderr):  # stdout is the command's
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BenchError(
            f"--plugin {path}: cannot be imported: {_said(error)}", code="cannot-import-plugin"
        ) from error
    return module


def _said(error: Exception) -> str:
    """What an exception says; its own methods are the plug-in's, and may fail."""
    try:
        return (str(error) if isinstance(error, BenchError) else repr(error))[:500]
    except Exception:
        return type(error).__name__


def _made(cls: type[T], values: Mapping[str, Any]) -> T:
    """An instance of a plug-in's class; BenchError where its constructor raises."""
    try:
        return cls(**values)
    except BenchError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        raise BenchError(
            f"{inspect.getfile(cls)}: {cls.__name__} cannot be made: {said(error)}",
            code="plugin-raised",
        ) from error


_DECLARED: dict[type, dict[str, tuple[type, ...]]] = {
    Strategy: {"summary": (str,), "paper": (str,), "rest": (str,), "needs": (str,), "pretrained": (bool,)},
    Task: {
        **dict.fromkeys(
            ("summary", "licence", "sizes", "origin", "adapter", "head", "headline", "scorer", "caveat"),
            (str,),
        ),
        "version": (int,),
        "metrics": (tuple, list),
    },
}
"""What a plug-in's class says of itself, and its types."""


def _collect(modules: Iterable[ModuleType], base: type[T]) -> dict[str, type[T]]:
    found: dict[str, type[T]] = {}
    for module in modules:
        for cls in vars(module).values():
            if not inspect.isclass(cls) or not issubclass(cls, base) or cls.__module__ != module.__name__:
                continue
            if inspect.isabstract(cls):
                _check_unfinished(cls)
                continue
            _check(cls, base)
            twin = found.setdefault(cls.name, cls)
            if twin is not cls:
                files = f"{inspect.getfile(twin)} and {inspect.getfile(cls)}"
                raise BenchError(
                    f"two plug-ins are named '{cls.name}': {files}; rename one",
                    code="duplicate-plugin",
                )
    return dict(sorted(found.items()))


def _check_unfinished(cls: type[Any]) -> None:
    """BenchError where an abstract class has a name, as only plug-ins have: it would not be found."""
    if not vars(cls).get("name"):
        return
    missing = ", ".join(f"`{name}`" for name in sorted(cls.__abstractmethods__))
    raise BenchError(
        f"{inspect.getfile(cls)}: class {cls.__name__} lacks {missing}: write it, or leave out `name` if the class "
        "is a base of others",
        code="unfinished-plugin",
    )


def _check(cls: type[Strategy] | type[Task], base: type) -> None:
    """BenchError where an attribute of a plug-in's class is missing or of the wrong type."""
    where = f"{inspect.getfile(cls)}: class {cls.__name__}"
    name: Any = getattr(cls, "name", "")
    if not name:
        raise BenchError(f"{where} has no `name`", code="plugin-without-name")
    if not isinstance(name, str) or not is_name(name):
        raise BenchError(
            f"{where}: the name {str(name)[:80]!r} cannot be a folder: use letters, digits, '-', '_' and '.'",
            code="unsafe-name",
        )
    for field_, kinds in _DECLARED[base].items():
        value = getattr(cls, field_, None)
        if type(value) not in kinds:
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise BenchError(
                f"{where}: `{field_}` is {value!r:.60}; it must be a value of type {expected}",
                code="wrong-plugin",
            )
    if issubclass(cls, Task):
        _check_headline(cls, where)
    elif cls.needs not in ("", "cuda"):
        raise BenchError(
            f"{where}: `needs` is {cls.needs!r:.60}; it must be '' or 'cuda'", code="wrong-plugin"
        )


def _check_headline(cls: type[Task], where: str) -> None:
    """BenchError where a task would be ranked by a metric that it lacks, or by an error."""
    kinds = {metric.name: metric.kind for metric in cls.metrics if isinstance(metric, Metric)}
    if cls.headline not in kinds:
        raise BenchError(
            f"{where}: the headline '{cls.headline}' is none of its metrics ({', '.join(kinds)})",
            code="unknown-headline",
        )
    if kinds[cls.headline] == "error":
        better = ", ".join(name for name, kind in kinds.items() if kind != "error") or "none"
        raise BenchError(
            f"{where}: the headline '{cls.headline}' is an error, which is better the lower it is; strategies are "
            f"ranked by a score that is better the higher it is (of its metrics: {better})",
            code="headline-is-an-error",
        )
