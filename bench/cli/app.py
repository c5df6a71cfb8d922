"""The command line. `python -m bench` and `transferbench` are the same program."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from bench import __version__
from bench.cli import (
    claims,
    listing,
    merge,
    peers,
    power,
    profile,
    recommend,
    regression,
    report,
    run,
    simulate,
    status,
    tables,
)
from bench.contracts import BenchError
from bench.runs import processes

INTERRUPTED = 130

app = typer.Typer(
    help="Which transfer strategy should I use for this task, on this encoder, with this budget?\n\n"
    "Start with: python -m bench run quick\n\n"
    "With --debug every command shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
FAMILIES = (
    *(run, status, merge, listing),
    *(tables, report, claims),
    regression,
    recommend,
    *(peers, profile, power, simulate),
)
for family in FAMILIES:
    family.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"transferbench {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass  # its option is all that it has


def main() -> None:
    """The program. Exit codes: 0 good, 1 the answer is no, 2 the request was wrong (one line, no traceback)."""
    processes.wait_passively()
    debug = "--debug" in sys.argv[1:]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(standalone_mode=True)
    except BenchError as error:
        if debug:
            traceback.print_exc()
        line = "".join(character if character.isprintable() else " " for character in str(error))
        print(f"transferbench: {' '.join(line.split())}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has seen Ctrl-C
            print(
                "\ntransferbench: stopped; finished cells are kept: the same command goes on", file=sys.stderr
            )
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
