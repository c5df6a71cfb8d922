"""`merge`: the runs of several machines as one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import RUN
from bench.cli.output import note_completed


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=RUN)(merge)


def merge(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders of one suite.")],
    out: Annotated[
        Path | None, typer.Option(help="The run folder to add them to. Default: results/runs/SUITE.")
    ] = None,
) -> None:
    """Join run folders, such as the shards of a suite.

    Folders that contradict each other are refused.

    Example: python -m bench merge results/runs/quick-shard-*
    """
    from bench.planning.progress import summarise
    from bench.runs.folder import RUNS, Store, open_run
    from bench.runs.merge import merge as join
    from bench.text import printable

    stores = [open_run(run) for run in runs]
    into = Store(out or RUNS / stores[0].suite())
    join(stores, into)
    note_completed(into.path, begun="")
    print(f"{summarise(into).text()}\n")
    more = f"python -m bench table {shlex.quote(str(into.path))} --format md"
    print(printable(f"records and predictions: {into.path}/   next: {more}"))
