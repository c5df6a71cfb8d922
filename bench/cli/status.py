"""`status` and `check`: how far a run is, and whether its files are whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bench.cli.listing import AsJson
from bench.cli.options import RunPath


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(status)
    app.command()(check)


def status(run: RunPath, as_json: AsJson = False) -> None:
    """Show what of a run is done, running, failed and missing, and how long remains.

    Example: python -m bench status results/runs/quick
    """
    from bench.planning.progress import summarise
    from bench.runs.folder import open_run

    summary = summarise(open_run(run))
    if as_json:
        print(json.dumps(summary.as_dict(), indent=1))
    else:
        print(summary.text())


def check(
    run: RunPath,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move what is damaged to RUN/quarantine; the next run redoes it.")
    ] = False,
) -> None:
    """Verify every file of a run against its checksum. Exit code 1 where one is damaged and not repaired.

    Example: python -m bench check results/runs/quick --repair
    """
    from bench.runs.folder import open_run
    from bench.runs.integrity import repair as set_aside
    from bench.runs.integrity import verify
    from bench.text import printable

    store = open_run(run)
    verdict = verify(store)
    for line in verdict.text(store.path).splitlines():
        print(printable(line))
    if repair:
        for target in set_aside(store, verdict):
            print(printable(f"moved to {target}"))
    elif verdict.damaged:
        print(f"next: python -m bench check {store.path} --repair")
        raise typer.Exit(1)
