"""`recommend`: which strategy to use on your data; and with --export, the model. `export`: the model alone."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.listing import Plugin
from bench.cli.options import YOUR_DATA, Threads, number
from bench.cli.output import console
from bench.cli.user_data import read_user_data, run_folder, say_pooling, with_user_data
from bench.cli.validation import with_validation
from bench.contracts import LARGEST, BenchError, Cell, Recipe

QUIET = 10.0  # seconds between two lines of progress, where the screen cannot be written over

if TYPE_CHECKING:
    from bench.export.scores import Request
    from bench.recommend.findings import Findings
    from bench.registry import Registry
    from bench.runs.curve import Point
    from bench.user_data.description import UserData


class Goal(StrEnum):
    accuracy = "accuracy"
    cost = "cost"


TaskOption = Annotated[
    str, typer.Option("--task", "-t", help="A task that is there already, instead of --data.")
]
Backbone = Annotated[
    str, typer.Option("--backbone", "-b", help="A built-in name, a Hugging Face name or a folder.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change the recipe, such as recipe.windows=mean. Repeatable."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Onnx = Annotated[
    bool, typer.Option("--onnx", help="Also write model.onnx, checked on all test rows (extra onnx).")
]


@dataclass(frozen=True)
class Subject:
    """What a command is about: a task, its recipe, and what was found beside it."""

    name: str
    registry: Registry
    recipe: Recipe
    own_test: bool  # the test rows were cut from the data, so they may be trained on in the end


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=YOUR_DATA)(with_validation(with_user_data(recommend)))
    app.command(rich_help_panel=YOUR_DATA)(with_user_data(export))


def recommend(
    program: typer.Context,
    budget: Annotated[str, typer.Option(help="Time to spend: 90s, 10m, 2h.")] = "10m",
    goal: Annotated[
        Goal,
        typer.Option(
            help="accuracy: the best score; a cheaper strategy where it is known to be as good and the best is not "
            "known to be better. cost: the cheapest that is known to be as good."
        ),
    ] = Goal.accuracy,
    margin: Annotated[
        float,
        typer.Option(
            min=0.1, callback=number, help="As good: known to score at most so many points below the best."
        ),
    ] = 2.0,
    task: TaskOption = "",
    backbone: Backbone = "minilm",
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", "-s", help="Only these. Repeatable.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Train the chosen strategy and save the model here.")
    ] = None,
    onnx: Onnx = False,
    out: Annotated[
        Path | None, typer.Option(help="Run folder. Default: results/runs/recommend-TASK.")
    ] = None,
    plugin: Plugin = None,
    settings: Settings = None,
    device: Device = "auto",
    threads: Threads = None,
    own: Any = None,  # a UserData or None
) -> None:
    """Say which strategy to use on your data, how surely, and at what cost; --export saves the model.

    Example: python -m bench recommend --data reviews.csv --text review --label stars --export model/
    """
    from bench.recommend.answer import STRATEGIES, Terms, answer, reading

    began, seconds = _began(program), seconds_of(budget)
    check_onnx(onnx, export)
    with reading(began, seconds):
        subject = subject_of(own, task, plugin or [], backbone, settings or ())

    chosen = tuple(strategy or STRATEGIES)
    for name in chosen:
        subject.registry.plugins.strategy(name)
    first = Cell(f"recommend-{subject.name}", subject.name, chosen[0], backbone, 0, subject.recipe)
    if export is not None:
        from bench.export.checks import check_exportable, check_form, check_free

        check_free(export)
        for name in chosen:
            check_exportable(replace(first, strategy=name), subject.registry)
        check_form(first, subject.registry)
    from bench.cli.display import Display
    from bench.executors.contract import Options
    from bench.runs.folder import Store

    options = Options(device=device, threads=threads, plugin_files=subject.registry.given)
    with reading(began, seconds):
        folder = run_folder(Path("results/runs") / f"recommend-{subject.name}", out, own, subject.registry)
    if export is not None:
        from bench.export.checks import check_apart

        check_apart(export, folder)
    terms = Terms(chosen, backbone, goal.value, seconds, _typed(), margin / 100, began)
    screen = Display(console(stderr=True), Store(folder))
    found = answer(first, terms, subject.registry, (folder, options, screen))
    _show(found)
    if export is None:
        return
    from bench.export.scores import Request

    if found.round.degenerate:
        print(f"{export}: no model was written, because no strategy learnt anything", file=sys.stderr)
        raise typer.Exit(1)
    request = Request(command=terms.command, compared=_compared(found), onnx=onnx)
    _export(replace(first, strategy=found.choice), subject, export, (device, folder), request)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="How to train.")] = "full",
    task: TaskOption = "",
    backbone: Backbone = "minilm",
    onnx: Onnx = False,
    plugin: Plugin = None,
    settings: Settings = None,
    device: Device = "auto",
    own: Any = None,  # a UserData or None
) -> None:
    """Train a strategy on your rows and save a Hugging Face folder that needs nothing of this project.

    Example: python -m bench export model/ --data reviews.csv --text review --label stars --strategy lp-ft
    """
    check_onnx(onnx, folder)
    subject = subject_of(own, task, plugin or [], backbone, settings or ())
    from bench.export.scores import Request

    cell = Cell(f"export-{subject.name}", subject.name, strategy, backbone, 0, subject.recipe)
    where = device, Path("results/runs") / f"recommend-{subject.name}"
    _export(cell, subject, folder, where, Request(command=_typed(), onnx=onnx))


def _began(program: typer.Context) -> float:
    """When the user's time began, on time.monotonic(): with the program, else with the call of this function."""
    started = program.find_root().obj
    return started if isinstance(started, float) else time.monotonic()


def check_onnx(asked: bool, folder: Path | None) -> None:
    """BenchError, before anything runs, where no model is saved that could be a graph, or packages are missing."""
    if not asked:
        return
    if folder is None:
        raise BenchError("--onnx needs --export DIR: the graph is part of the saved model", "onnx-alone")
    from bench.export.onnx_graph import check_packages

    check_packages()


def seconds_of(text: str) -> float:
    """`90s`, `10m` or `2h` in seconds; a bare number is minutes. BenchError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, "": 60}[match[2]] if match else 0.0
    if not 0 < seconds <= LARGEST:
        raise BenchError(
            f"--budget {text[:60]}: write it as 90s, 10m or 2h, at most {LARGEST / 3600:.0f}h", "budget-form"
        )
    return seconds


def subject_of(
    own: UserData | None, task: str, plugin: list[Path], backbone: str, settings: Sequence[str] = ()
) -> Subject:
    """The task of a command line, its views, and the recipe for it, changed by `settings`. BenchError."""
    from bench import suite as suites
    from bench.data.sources import Sources
    from bench.recommend.settings import check
    from bench.recommend.views import Everything, Selection
    from bench.registry import Registry, discover
    from bench.user_data.summary import recipe_for

    if bool(own) == bool(task):
        raise BenchError("give your data with --data FILE, or a task with --task", "no-data")
    check(settings, own.name if own else task)
    sources = Sources(local=suites.load("own", settings).data.local)
    described = [read.data for read in read_user_data([own], backbone, sources)] if own else []
    name = own.name if own else task
    own_test = bool(own) and not own.names_test_rows and Path(own.data).is_file()
    plain = discover([*plugin, *described])
    splits = plain.task(name).splits(sources)
    plugins = discover([*plugin, *described, Selection(name), Everything(name, own_test)])
    recipe = recipe_for(plain.task(name).adapter, splits, backbone, sources)
    if settings:
        keys = {key: value for key, value in dataclasses.asdict(recipe).items() if value is not None}
        recipe = suites.load("own", settings, {name: keys}).task_recipe(name)
    say_pooling(plain.task(name).adapter, [backbone])
    return Subject(name, Registry(plugins, sources), recipe, own_test)


def _show(found: Findings) -> None:
    from bench.analysis.tables import terminal
    from bench.recommend import last_round, page
    from bench.runs.folder import Store

    screen = console()
    plain = {"markup": False, "highlight": False}
    screen.print(f"\n{page.sentence(found)}\n", style="bold", **plain)
    for line in page.details(found):
        screen.print(line, **plain)
    columns = (found.round.metric, "seconds", "trainable", "seeds")
    caption = "Compared on the selection rows, in the last round"
    table = last_round.table(found.round, Store(Path(found.folder)).predictions, columns, caption)
    screen.print()
    screen.print(terminal.show(table))
    screen.print(page.plot(found), **plain)
    screen.print()
    for line in page.tried(found):
        screen.print(line, **plain)


def _typed() -> str:
    """The command line, as it can be typed again."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def _compared(found: Findings) -> str:
    """The comparison that chose the strategy, in Markdown, why it did, and the choice's score on the test rows."""
    from bench.analysis.tables.formats import render
    from bench.recommend import last_round, page, verdict
    from bench.runs.folder import Store

    metrics = next(record.metrics for record in found.round.records if record.metrics)
    columns = (*(metric.name for metric in metrics), "seconds", "trainable", "seeds")
    caption = "Strategies compared on rows that none of them learnt from, in the last round"
    table = last_round.table(found.round, Store(Path(found.folder)).predictions, columns, caption)
    scored = [line for line in page.details(found) if line.startswith("Test rows:")]
    return "\n\n".join([render(table).strip(), *verdict.reasons(found), *scored])


def _export(cell: Cell, subject: Subject, folder: Path, where: tuple[str, Path], request: Request) -> None:
    """Train the strategy of `cell` on all rows and save. where: the device, and the run folder that tells how long
    training takes."""
    from bench.export.card import usage
    from bench.export.checks import check_fits, check_free
    from bench.export.folder import export as save
    from bench.recommend.forecast import training_seconds
    from bench.recommend.views import Everything
    from bench.text import counted, duration

    view = Everything(subject.name, subject.own_test).name
    strategy = cell.strategy
    cell = replace(cell, suite=f"export-{subject.name}", task=view)
    check_free(folder)
    check_fits(cell, subject.registry)
    splits = subject.registry.task(view).splits(subject.registry.sources)
    train = splits.train
    rows = len(train)
    expected = training_seconds(cell, splits, subject.registry, where[1], where[0])
    budget = ", which no budget limits" if "recommend" in sys.argv[1:2] else ""
    console(stderr=True).print(
        f"training {strategy} on {counted(rows, 'row')} for {folder}: about {duration(expected)}{budget}",
        markup=False,
        highlight=False,
    )
    with _progress(expected) as watch:
        found = save(cell, subject.registry, folder, where[0], replace(request, watch=watch))
    learnt = "training and test rows" if subject.own_test else "training rows"
    words, _ = usage(subject.registry.task(view).head, train)
    print(
        f"{found.folder}/: {strategy}, trained on {found.rows:,} {learnt} (the validation rows chose its "
        f"best state); "
        f"its predictions on {counted(found.checked, 'test row')} are the harness's own. "
        f"Try: python {shlex.quote(str(found.folder / 'predict.py'))} {words}"
    )


@contextmanager
def _progress(expected: float) -> Iterator[Callable[[Point], None]]:
    """Show how far training is: on a terminal in place, elsewhere a line at most every ten seconds."""
    from bench.text import duration

    screen, began, shown = console(stderr=True), time.monotonic(), [time.monotonic()]
    with screen.status("reading rows, loading the encoder ...") as status:

        def watch(point: Point) -> None:
            now = time.monotonic()
            text = f"{duration(now - began)} of about {duration(expected)}, validation loss {point.loss:.3f}"
            if screen.is_terminal:
                status.update(text)
            elif now - shown[0] > QUIET:
                shown[0] = now
                screen.print(text, markup=False, highlight=False)

        yield watch
