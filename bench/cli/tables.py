"""`table`: a finished run as a table. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import READ, Format, FormatOption, RunPath, names
from bench.cli.output import put, show
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.loading import Run


class TableKind(StrEnum):
    scores = "scores"
    pairs = "pairs"
    convergence = "convergence"
    shift = "shift"
    curve = "curve"
    classes = "classes"
    rates = "rates"
    ranks = "ranks"


ROWS = "task,strategy,backbone"
RANKED = (TableKind.scores, TableKind.pairs, TableKind.shift, TableKind.curve, TableKind.ranks)
"""The kinds of scores by one metric."""


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command(rich_help_panel=READ)(table)


def table(
    run: RunPath,
    format: FormatOption = Format.terminal,
    kind: Annotated[
        TableKind,
        typer.Option(
            help="scores; pairs: tests against the best; convergence: epochs to the best state; shift: scores on "
            "other domains; curve: scores by training size; classes: precision, recall and confusions; "
            "rates: validation scores by learning rate; ranks: over tasks."
        ),
    ] = TableKind.scores,
    rows: Annotated[
        str, typer.Option(help="`task,strategy,backbone`, or `strategy,backbone` for tasks side by side.")
    ] = ROWS,
    columns: Annotated[
        str, typer.Option(help="Metrics and measures, separated by commas; a wrong one lists them all.")
    ] = "",
    metric: Annotated[str, typer.Option(help="Rank by this metric instead of each task's headline.")] = "",
    caption: Annotated[str, typer.Option(help="The table's caption.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="Write the Markdown between the <!-- table --> marks of this file.")
    ] = None,
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals", help="Read the predictions even of thousands of records, for their intervals."
        ),
    ] = False,
    default_rates: Annotated[
        str,
        typer.Option(
            help="A run at default rates (`run SUITE --rates default`), for the column `default-rates`. "
            "Default: RUN-default-rates.",
            show_default=False,
        ),
    ] = "",
    notes: Annotated[
        bool | None,
        typer.Option(
            "--notes/--no-notes",
            help="All notes (data, recipe, machine, versions), or none.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print a run as a table: scores with 95% intervals, times, trainable share.

    Example: python -m bench table quick --rows strategy,backbone --format latex
    """
    from bench.analysis import convergence, curves, opening, rates, shift
    from bench.analysis.tables import build as tables
    from bench.analysis.tables import classes, pairs, ranks
    from bench.analysis.tables.default_rates import COLUMN
    from bench.runs import collection

    collection.seldom()
    source = opening.open_source(str(run))
    if default_rates and (COLUMN not in names(columns) or kind is not TableKind.scores):
        raise BenchError(
            f"--default-rates is for the column '{COLUMN}': name it with --columns", code="needs-a-column"
        )
    of_scores = {"--rows": rows != ROWS, "--columns": bool(columns), "--caption": bool(caption)}
    _check_read(kind, (TableKind.scores,), [name for name, given in of_scores.items() if given])
    _check_read(kind, RANKED, ["--metric"] if metric else [])
    predictions = source.predictions if intervals or len(source.records) <= opening.MANY else None
    if kind is TableKind.scores:
        beside = _at_default_rates(run, default_rates) if COLUMN in names(columns) else None
        options = tables.TableOptions(
            names(rows), names(columns), metric, caption, at_default=beside, planned=source.planned
        )
        result = tables.build(source.records, predictions, options)
    elif kind is TableKind.pairs:
        result = pairs.build(source.records, source.predictions, metric)
    elif kind is TableKind.ranks:
        result = ranks.build(source.records, source.predictions, metric)
    elif kind is TableKind.shift:
        result = shift.build(source.records, predictions, metric)
    elif kind is TableKind.curve:
        result = curves.build(source.records, predictions, metric)
    elif kind is TableKind.classes:
        result = classes.build(source.records, source.predictions)
    elif kind is TableKind.rates:
        result = rates.build(source.records)
    else:
        result = convergence.build(source.records)
    result = opening.noted(result, source)
    if notes is not None:
        result = result.unfolded() if notes else replace(result, notes=(), details=())
    if into:
        put(result, into)
    else:
        show(result, format)


def _check_read(kind: TableKind, readers: Sequence[TableKind], given: Sequence[str]) -> None:
    """BenchError where options are given that this kind of table does not read. readers: the kinds that do."""
    if given and kind not in readers:
        raise BenchError(
            f"{', '.join(given)}: --kind {kind.value} does not read it (kinds that do: {', '.join(readers)})",
            code="not-for-this-kind",
        )


def _at_default_rates(run: Path, named: str) -> Run:
    """The run that the column `default-rates` reads: the one that is named, or the one beside the table's."""
    from bench.analysis.opening import open_source

    beside = run.with_suffix("") if run.suffix == ".jsonl" else run
    name = named or f"{beside}-default-rates"
    try:
        kept = Path(f"{name}.jsonl")
        return open_source(str(kept) if not named and kept.is_file() else name)
    except BenchError as error:
        if named or error.code != "no-run":
            raise
        raise BenchError(
            f"the column 'default-rates' needs the same suite at default rates, and {name} is no run: make it with "
            "`python -m bench run SUITE --rates default`, or name it with --default-rates",
            code="no-default-rates",
        ) from error
