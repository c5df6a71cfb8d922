"""The commands that draw finished runs: report and plot. Neither imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import READ, RunPath
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.loading import Run
    from bench.analysis.regression.history import Line


class PlotKind(StrEnum):
    pareto = "pareto"
    curves = "curves"
    convergence = "convergence"
    shift = "shift"
    ranks = "ranks"
    forgetting = "forgetting"
    rates = "rates"


class Width(StrEnum):
    one = "one"
    two = "two"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (report, plot):
        app.command(rich_help_panel=READ)(command)


def report(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page. Default: report.html in the run's folder.")
    ] = None,
    against: Annotated[
        str, typer.Option(help="Show what regressed since this run, baseline file or git revision.")
    ] = "",
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task. Repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", "-s", help="Only this strategy. Repeatable.")
    ] = None,
) -> None:
    """Write a run as one HTML page that needs no network and no other file.

    Example: python -m bench report quick -o report.html
    """
    from bench.analysis.opening import open_source
    from bench.data.cache import default_cache
    from bench.report import html, page, regression
    from bench.report.ledger import steps
    from bench.runs import atomic_files, collection
    from bench.text import counted

    collection.seldom()
    source = only(open_source(str(run)), task or (), strategy or ())
    folder = Path(source.name)
    if against:
        suite = source.records[0].cell.suite if source.records else ""
        old = part_of(open_source(against, suite), task or (), strategy or ())
        text = html.regression(regression.build(old, source))
    else:
        tried = development(source)
        text = html.report(
            page.build(source, default_cache(), _history(folder), steps(folder), tried.records)
        )
    part = "".join(f"-{name}" for name in (*(task or ()), *(strategy or ())))
    path = out or _beside(folder, f"regression{part}.html" if against else f"report{part}.html")
    content = text.encode()
    atomic_files.write(path, content)
    print(
        f"{path}: {counted(len(source.records), 'cell')}, {len(content) / 1e6:.1f} MB; open it in a browser"
    )


def plot(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="The figure: a .pdf, .svg or .png file.")],
    kind: Annotated[
        PlotKind,
        typer.Option(
            help="Score against time; curves by step; curves by second; other domains; ranks over tasks; "
            "how far each layer moved (recipe.forgetting = true); score against learning rate, of the run or of "
            "RUN-development."
        ),
    ] = PlotKind.pareto,
    columns: Annotated[Width, typer.Option(help="One column of a paper wide, or two.")] = Width.two,
) -> None:
    """Draw a figure for a paper, one panel for each task, in colours that everybody can tell apart.

    Example: python -m bench plot quick --kind pareto --out pareto.pdf
    """
    from bench.analysis.opening import open_source
    from bench.report import figures
    from bench.report.reading import read

    source = open_source(str(run))
    if kind is PlotKind.rates:
        source = development(source)
    figures.save(read(source), kind.value, out, columns.value)
    print(out)


def only(run: Run, tasks: Sequence[str], strategies: Sequence[str]) -> Run:
    """As `part_of`. BenchError where the run has no such name, or no cell of both."""
    for what, asked, known in (
        ("task", tasks, dict.fromkeys(record.cell.task for record in run.records)),
        ("strategy", strategies, dict.fromkeys(record.cell.strategy for record in run.records)),
    ):
        for name in asked:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean '{near[0]}'? " if near else ""
                raise BenchError(
                    f"{run.name} has no {what} '{name}' ({hint}it has {', '.join(known)})",
                    code=f"unknown-{what}",
                )
    found = part_of(run, tasks, strategies)
    if run.records and not found.records:
        raise BenchError(
            f"{run.name} has no cell of {', '.join(tasks)} with {', '.join(strategies)}", code="no-such-cell"
        )
    return found


def part_of(run: Run, tasks: Sequence[str], strategies: Sequence[str]) -> Run:
    """The cells of a run with these tasks and these strategies; all of either where none is named."""

    def wanted(task: str, strategy: str) -> bool:
        return (not tasks or task in tasks) and (not strategies or strategy in strategies)

    return replace(
        run,
        records=[record for record in run.records if wanted(record.cell.task, record.cell.strategy)],
        planned=tuple(cell for cell in run.planned if wanted(*cell.split("/")[:2])),
    )


def development(run: Run) -> Run:
    """The run in which rates were tried: the run itself, or the one beside it whose name ends in `-development`.
    The run itself where there is none."""
    from bench.analysis.opening import open_source

    if any(record.trials for record in run.records):
        return run
    try:
        return open_source(f"{run.name}-development")
    except BenchError as error:
        if error.code != "no-run":
            raise
        return run


def _beside(source: Path, name: str) -> Path:
    """In the run's folder. BenchError for a baseline file, which has none."""
    if not source.is_dir():
        raise BenchError(
            f"{source} is no folder to put {name} into: name the page with -o", code="no-run-folder"
        )
    return source / name


def _history(source: Path) -> list[Line]:
    """The history that a run under results/runs belongs to."""
    from bench.analysis.regression.history import NAME, read_both

    runs = source.resolve().parent
    known = runs.name == "runs" and any((folder / NAME).is_file() for folder in (runs, runs.parent))
    return read_both(runs) if known else []
