"""`status`: how far a run is, and with --check whether its files are whole."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from bench.cli.listing import AsJson
from bench.cli.options import RUN, RunFolder
from bench.contracts import BenchError


def register(app: typer.Typer) -> None:
    """Add this command to the program, and the line for those who knew `check`."""
    app.command(rich_help_panel=RUN)(status)
    app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
        check
    )


def status(
    run: RunFolder,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file of the run with its checksum.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="With --check: move damaged files to RUN/quarantine; the next run redoes them."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what of a run is done, running, failed or missing, and how much time is left.

    With --check the exit code is 1 where a file is damaged and not repaired.

    Example: python -m bench status quick --check --repair
    """
    if repair and not check:
        raise BenchError("--repair mends what --check finds: give both", code="repair-without-check")
    if check:
        _check(run, repair, as_json)
        return
    from bench.planning.progress import summarise
    from bench.runs.folder import open_run

    summary = summarise(open_run(run))
    if as_json:
        print(json.dumps(summary.as_dict(), indent=1))
    else:
        print(summary.text())


def check(context: typer.Context) -> None:
    """Gone: `status --check`."""
    arguments = " ".join(context.args) or "RUN"
    raise BenchError(
        f"`check` is part of `status` now: python -m bench status --check {arguments}", code="renamed-command"
    )


def _check(run: RunFolder, repair: bool, as_json: bool) -> None:
    """Print what is damaged, and set it aside where that was asked for; else exit with 1."""
    from bench.runs.folder import open_run
    from bench.runs.integrity import repair as set_aside
    from bench.runs.integrity import verify
    from bench.text import printable

    store = open_run(run)
    verdict = verify(store)
    moved = set_aside(store, verdict) if repair else []
    if as_json:
        found = {
            "sound": verdict.sound,
            "damaged": {str(path): reason for path, reason in verdict.damaged.items()},
            "leftovers": [str(path) for path in verdict.leftovers],
            "abandoned": [str(path) for path in verdict.abandoned],
            "moved": [str(path) for path in moved],
        }
        print(json.dumps(found, indent=1))
    else:
        lines = [*verdict.text(store.path).splitlines(), *(f"moved to {path}" for path in moved)]
        for line in lines:
            print(printable(line))
    if verdict.damaged and not repair:
        if not as_json:
            print(f"next: python -m bench status {shlex.quote(str(store.path))} --check --repair")
        raise typer.Exit(1)
