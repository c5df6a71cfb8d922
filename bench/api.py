"""Runs, recommendations and results from a notebook or a script. Imports no torch."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from bench import suite as suites
from bench.analysis.frames import Results, Table
from bench.cli import user_data
from bench.cli.display import Display
from bench.cli.rates import check_chosen, say_departures, without_missing
from bench.cli.run import request
from bench.contracts import BenchError, Cell
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.runs import processes
from bench.runs.folder import RUNS, Store, open_run

if TYPE_CHECKING:
    from bench.export.folder import Exported
    from bench.recommend.findings import Findings
    from bench.user_data.description import UserData

__all__ = ["Recommendation", "Results", "Table", "export", "load", "recommend", "run"]


class DataArguments(TypedDict, total=False):
    """User data, as the options of the command line describe it. test, validation: files or frames, as `data`."""

    test: Any
    validation: Any
    adapter: str
    name: str
    text: str
    pair: str
    label: str | Sequence[str]
    words: str
    tags: str
    sentence: str
    question: str
    context: str
    answer: str
    start: str
    group: str
    split: str
    label_names: str
    label_separator: str
    encoding: str
    drop_duplicates: bool


class RunArguments(DataArguments, total=False):
    """User data (a file, or a frame), and a part of a suite; what is left out means all."""

    data: Any
    tasks: Sequence[str]
    strategies: Sequence[str]
    backbones: Sequence[str]
    seeds: int


class TaskArguments(DataArguments, total=False):
    """A task that is there already, instead of data; the encoder; settings of the recipe: `recipe.windows=mean`."""

    task: str
    backbone: str
    settings: Sequence[str]


class RecommendArguments(TaskArguments, total=False):
    """strategies: only these. goal: the best score, or the cheapest that is known to score at most `margin` points
    below it."""

    strategies: Sequence[str]
    goal: Literal["accuracy", "cost"]
    margin: float


class ExportArguments(TaskArguments, total=False):
    """onnx: also write `model.onnx`, checked on all test rows (extra `onnx`)."""

    onnx: bool


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` found, and all that it rests on."""

    findings: Findings

    @property
    def choice(self) -> str:
        """The strategy to use; '' where none is recommended."""
        return "" if self.findings.round.degenerate else self.findings.choice

    @property
    def results(self) -> Results:
        """The cells that were run."""
        return load(self.findings.folder)

    def __str__(self) -> str:
        from bench.recommend import page

        return "\n".join([page.sentence(self.findings), *page.details(self.findings)])

    __repr__ = __str__


def run(
    suite: str | Path | None = None,
    out: str | Path | None = None,
    settings: Sequence[str] = (),
    options: Options | None = None,
    **more: Unpack[RunArguments],
) -> Results:
    """Run a suite, or the chosen part of it; finished cells are kept. Shows its progress on stderr.

    suite: a built-in name or a TOML file; left out where `data` is given, it is the core strategies. out: the run
    folder, results/runs/SUITE. settings: as `recipe.epochs=2`. options: device, executor, plug-in files ...
    more: `tasks`, `strategies`, `backbones` and `seeds` choose a part; `data`, `text`, `label` and the other
    options of the command line describe user data. Raises BenchError where the request is wrong, TypeError for an
    unknown argument; a cell that cannot be run is a record with its reason."""
    _check_names("run", more, RunArguments)
    if suite is None and "data" in more and more["data"] is None:
        raise BenchError("data is None: give a file or a frame, or name a suite", code="no-data")
    _check_number("seeds", more.get("seeds"), int)
    options = options or Options()
    filters = suites.Filters(
        _several(more.get("tasks")),
        _several(more.get("strategies")),
        _several(more.get("backbones")),
        more.get("seeds"),
    )
    described = _described(more)
    name = user_data.needs_suite(_suite_name(suite), described)
    asked = request(name, list(_several(settings)), _files(options), filters, described)
    registry, chosen, cells = asked
    if not options.shard:
        cells = without_missing(asked, filters)
    check_chosen(chosen, cells, registry, name)
    say_departures(name, settings, chosen)
    folder = user_data.run_folder(RUNS / chosen.name, Path(out) if out else None, described, registry)
    options = replace(options, plugin_files=registry.given)
    return Results(folder, launch(cells, registry, folder, options, _display(folder)))


def recommend(
    data: Any = None,
    out: str | Path | None = None,
    budget: str = "10m",
    options: Options | None = None,
    **more: Unpack[RecommendArguments],
) -> Recommendation:
    """Say which strategy to use on user data, or on a task that is there. Shows its progress on stderr.

    data: a file, or a frame. out: the run folder, results/runs/recommend-TASK. budget: the time to spend: 90s, 10m,
    2h. more: `task`, `backbone`, `strategies`, `goal`, `margin` (points), and what describes the data: `text`,
    `label` ... Raises BenchError where the request is wrong, TypeError for an unknown argument."""
    began = time.monotonic()
    _check_names("recommend", more, RecommendArguments)
    _check_number("margin", more.get("margin"), float)
    processes.wait_passively()
    from bench.cli import recommend as command
    from bench.recommend.answer import MARGIN, STRATEGIES, Terms, answer, reading
    from bench.registry import discover, unknown

    options, goal = options or Options(), more.get("goal", "accuracy")
    if goal not in list(command.Goal):
        raise unknown("goal", goal, list(command.Goal))
    seconds = command.seconds_of(str(budget))
    chosen = _several(more.get("strategies")) or STRATEGIES
    known = discover(_files(options))
    for name in chosen:
        known.strategy(name)
    described, backbone = _described({**more, "data": data}), more.get("backbone", "minilm")
    settings = _several(more.get("settings"))
    with reading(began, seconds):
        subject = command.subject_of(described, more.get("task", ""), _files(options), backbone, settings)
        usual = RUNS / f"recommend-{subject.name}"
        folder = user_data.run_folder(usual, Path(out) if out else None, described, subject.registry)
    options = replace(options, plugin_files=subject.registry.given)
    cell = Cell(f"recommend-{subject.name}", subject.name, chosen[0], backbone, 0, subject.recipe)
    again = "bench.recommend(...), with the same arguments"
    margin = more.get("margin", 100 * MARGIN) / 100
    terms = Terms(chosen, backbone, goal, seconds, again, margin, began)
    return Recommendation(answer(cell, terms, subject.registry, (folder, options, _display(folder))))


def export(
    folder: str | Path,
    data: Any = None,
    strategy: str = "full",
    options: Options | None = None,
    **more: Unpack[ExportArguments],
) -> Exported:
    """Train a strategy on all rows and save a Hugging Face folder that needs nothing of this project.

    data: a file, or a frame. more: `task`, `backbone`, `onnx`, and what describes the data: `text`, `label` ...
    Raises BenchError where the request is wrong, TypeError for an unknown argument."""
    _check_names("export", more, ExportArguments)
    processes.wait_passively()
    from bench.cli import recommend as command
    from bench.export.folder import export as save
    from bench.export.scores import Request
    from bench.recommend.views import Everything

    options = options or Options()
    described, backbone = _described({**more, "data": data}), more.get("backbone", "minilm")
    settings = _several(more.get("settings"))
    subject = command.subject_of(described, more.get("task", ""), _files(options), backbone, settings)
    view = Everything(subject.name, subject.own_test).name
    cell = Cell(f"export-{subject.name}", view, strategy, backbone, 0, subject.recipe)
    request = Request(onnx=more.get("onnx", False))
    return save(cell, subject.registry, Path(folder), options.device, request)


def load(path: str | Path) -> Results:
    """An earlier run, by its folder or by its name under results/runs. BenchError where there is none."""
    store = open_run(Path(path))
    return Results(store.path, store.records())


def _check_names(function: str, given: Iterable[str], known: type) -> None:
    """TypeError for an argument that the function does not take, with the nearest that it takes."""
    valid = sorted({*known.__annotations__, *user_data.OPTIONS})
    for name in given:
        if name not in valid:
            near = difflib.get_close_matches(name, valid, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise TypeError(f"{function}() has no argument '{name}': {hint}it takes {', '.join(valid)}")


def _check_number(name: str, value: Any, kind: type[int] | type[float]) -> None:
    """BenchError where an argument is no number; a whole number is one of both kinds."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, Integral if kind is int else Real)
    ):
        what = "a whole number" if kind is int else "a number"
        raise BenchError(f"{name} must be {what}, not {value!r:.80}", code="not-a-number")


def _several(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """The names; one name may stand alone."""
    found = (names,) if isinstance(names, str) else names or ()
    if not isinstance(found, Iterable) or not all(isinstance(name, str) for name in found):
        raise BenchError(f"{names!r:.80} is neither a name nor a list of names", code="no-names")
    return tuple(found)


def _suite_name(suite: str | Path | None) -> str | None:
    if suite is None or isinstance(suite, str | Path):
        return None if suite is None else str(suite)
    raise BenchError(
        f"the first argument is a suite, not a {type(suite).__name__}: give data as run(data=...)",
        code="suite-type",
    )


def _described(given: Mapping[str, Any]) -> UserData | None:
    """What describes user data among the arguments; frames as files. BenchError."""
    from bench.user_data.frames import file_of

    values: dict[str, Any] = {name: default for name, (_, default) in user_data.OPTIONS.items()}
    for name in values:
        if given.get(name) is not None:
            value = given[name]
            values[name] = file_of(value) if name in ("data", "test", "validation") else value
    return user_data.request(values)


def _files(options: Options) -> list[Path]:
    """The plug-in files of the options."""
    return [item for item in options.plugin_files if isinstance(item, Path)]


def _display(folder: Path) -> Display:
    from rich.console import Console

    return Display(Console(file=sys.stderr), Store(folder))
