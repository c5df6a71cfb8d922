"""`table`: a finished run as a table. Imports no torch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import READ, Format, FormatOption, RunPath, names
from bench.cli.output import put, show


class Kind(StrEnum):
    scores = "scores"
    pairs = "pairs"
    convergence = "convergence"
    shift = "shift"
    curve = "curve"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=READ)(table)


def table(
    run: RunPath,
    format: FormatOption = Format.terminal,
    kind: Annotated[
        Kind,
        typer.Option(help="Scores; paired tests with the best; epochs to converge; other domains; sizes."),
    ] = Kind.scores,
    rows: Annotated[
        str, typer.Option(help="`task,strategy,backbone`, or `strategy,backbone` for tasks side by side.")
    ] = "task,strategy,backbone",
    columns: Annotated[
        str, typer.Option(help="Metrics and measures, separated by commas; a wrong one lists them all.")
    ] = "",
    metric: Annotated[str, typer.Option(help="Rank by this metric instead of each task's headline.")] = "",
    caption: Annotated[str, typer.Option(help="The table's caption.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="Put the Markdown between <!-- table --> marks of this file instead.")
    ] = None,
    intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Read the predictions too where a run has thousands of records."),
    ] = False,
    notes: Annotated[
        bool, typer.Option("--notes", help="Show all notes: data, recipe, machine, versions.")
    ] = False,
) -> None:
    """Print a table of a run: scores with 95% intervals, wall-clock time and trainable share.

    Example: python -m bench table quick --rows strategy,backbone --format latex
    """
    import gc

    from bench.analysis import convergence, curves, opening, shift
    from bench.analysis.statistics import paired
    from bench.analysis.tables import build as tables

    gc.set_threshold(100_000, 50, 50)  # records are not garbage, and looking for it takes a third of the time
    source = opening.open_source(str(run))
    predictions = source.predictions if intervals or len(source.records) <= opening.MANY else None
    if kind is Kind.scores:
        options = tables.TableOptions(names(rows), names(columns), metric, caption)
        result = tables.build(source.records, predictions, options)
    elif kind is Kind.pairs:
        result = paired.build(source.records, source.predictions, metric)
    elif kind is Kind.shift:
        result = shift.build(source.records, predictions, metric)
    elif kind is Kind.curve:
        result = curves.build(source.records, predictions, metric)
    else:
        result = convergence.build(source.records)
    result = opening.noted(result, source)
    if into:
        put(result, into)
    else:
        show(result.unfolded() if notes else result, format)
