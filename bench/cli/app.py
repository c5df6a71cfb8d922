"""The command line. `python -m bench` and `transferbench` are the same program."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bench import __version__
from bench.cli import (
    claims,
    listing,
    measured,
    merge,
    peers,
    power,
    profile,
    rates,
    recommend,
    regression,
    report,
    run,
    simulate,
    status,
    tables,
)
from bench.cli.usage import Program
from bench.contracts import BenchError
from bench.data.foreign import refuse_silent_exits
from bench.runs import processes

INTERRUPTED = 130
CLOSED = 141  # as a shell has it of SIGPIPE
LONGEST = 2000
"""Characters of a refusal that are shown."""

app = typer.Typer(
    cls=Program,
    help="Which transfer strategy should I use for this task, on this encoder, with this budget?\n\n"
    "Start with: python -m bench run quick\n\n"
    "With --debug every command shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMAND_FILES = (
    *(run, rates, status, merge, listing),
    *(tables, measured, report, claims),
    regression,
    recommend,
    *(peers, profile, power, simulate),
)
for file in COMMAND_FILES:
    file.register(app)


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
    _open_standard_streams()
    processes.wait_passively()
    debug = "--debug" in sys.argv[1:]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    refuse_silent_exits()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the encoding lacks is shown as ?
            stream.reconfigure(errors="replace")
    try:
        try:
            app(standalone_mode=True, obj=processes.began())
        finally:
            sys.stdout.flush()
            gc.freeze()  # Python would look for garbage once more: half a second, several on a busy machine
    except BenchError as error:
        _refuse(str(error), debug)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # which is 1 for typer: here that is an answer
            _abandon_output()
            sys.exit(CLOSED)
        if end.code == INTERRUPTED:  # typer has seen Ctrl-C
            print(
                "\ntransferbench: stopped; finished cells are kept: the same command goes on", file=sys.stderr
            )
        if not end.code and not _by_typer(end):
            _refuse("a plug-in ended the program with sys.exit; finished cells are kept", debug)
        raise
    except BrokenPipeError:
        _abandon_output()
        sys.exit(CLOSED)
    except OSError as error:
        _abandon_output()
        _refuse(f"{error.filename or 'the output'}: {error.strerror or type(error).__name__}", debug)
    except RecursionError:
        _refuse(
            "recursion went too deep: a file nests its values too deeply, or a plug-in calls itself; --debug shows "
            "where",
            debug,
        )
    except MemoryError:
        _refuse("there is not enough memory for this; finished cells are kept", debug)


def _open_standard_streams() -> None:
    """Give the streams that the caller has closed (`>&-`) to the null device. Else the next file that is opened
    would get the number of one, and hold what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _refuse(reason: str, debug: bool) -> NoReturn:
    """One line on stderr, and exit code 2."""
    if debug:
        traceback.print_exc()
    line = "".join(character if character.isprintable() else " " for character in reason)
    with suppress(OSError):
        print(f"transferbench: {' '.join(line.split())[:LONGEST]}", file=sys.stderr, flush=True)
    sys.exit(2)


def _by_typer(end: SystemExit) -> bool:
    """Whether the library of the command line raised it, and not a plug-in."""
    frames = traceback.extract_tb(end.__traceback__)
    return any(part in Path(frames[-1].filename).parts for part in ("typer", "click"))


def _abandon_output() -> None:
    """What is still to be written to stdout goes nowhere, so that Python does not try again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
