"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion
from bench.contracts import LARGEST
from bench.executors.names import MOST_THREADS

RUN, READ, TRACK = "Run", "Read results", "Track results"
YOUR_DATA, MEASURE = "Your data", "Measure speed and power"
"""What commands are for: the panels of `--help`."""


class Format(StrEnum):
    terminal = "terminal"
    md = "md"
    latex = "latex"
    csv = "csv"
    html = "html"
    json = "json"


RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A run folder, its name under results/runs, or a baseline file.",
        autocompletion=completion.runs,
    ),
]
RunFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="A run folder, or its name under results/runs.", autocompletion=completion.runs
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print it.")]


def number(value: float | None) -> float | None:
    """A number that an option was given. typer.BadParameter for nan, which is within every range, and for what is
    beyond LARGEST."""
    if value is not None and not abs(value) <= LARGEST:
        raise typer.BadParameter(f"{value:g} is not a number up to {LARGEST:g}")
    return value


Threads = Annotated[
    int | None, typer.Option(min=1, max=MOST_THREADS, help="CPU threads. Default: torch's choice.")
]


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
