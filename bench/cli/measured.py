"""`measured`: what runs say of each strategy, and of which they say nothing. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import READ, Format, FormatOption
from bench.cli.output import put, show
from bench.cli.run import Backbones, Tasks

MARK = "measured"


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=READ)(measured)


def measured(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders, their names under results/runs, or baseline files.",
            autocompletion=completion.runs,
        ),
    ],
    task: Tasks = None,
    backbone: Backbones = None,
    format: FormatOption = Format.terminal,
    into: Annotated[
        Path | None, typer.Option(help="Write the Markdown between the <!-- measured --> marks of this file.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Print what runs measured of each strategy, and which strategies none of them measured.

    Example: python -m bench measured results/baselines/*.jsonl -t movie-sentiment -b minilm
    """
    from bench.analysis.opening import open_source
    from bench.analysis.tables.measured import Only, build
    from bench.registry import discover

    names = discover(plugin or ()).strategies
    table = build(
        [open_source(str(run)) for run in runs], names, Only(tuple(task or ()), tuple(backbone or ()))
    )
    if into:
        put(table, into, MARK)
    else:
        show(table, format)
