"""`profile`: where the time of a training step goes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import MEASURE, Format, FormatOption
from bench.cli.output import show


class ProfileKind(StrEnum):
    steps = "steps"
    kernels = "kernels"


SUITES = {ProfileKind.steps: "ladder", ProfileKind.kernels: "peers"}
STRATEGIES = {
    ProfileKind.steps: ("frozen", "bitfit", "lora", "adapter", "top-layers", "full"),
    ProfileKind.kernels: ("full",),
}


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=MEASURE)(profile)


def profile(
    kind: Annotated[
        ProfileKind,
        typer.Option(
            help="steps: forward, backward and optimizer of strategies side by side. "
            "kernels: what a step is made of."
        ),
    ] = ProfileKind.steps,
    suite: Annotated[
        str,
        typer.Option(
            help="Take the recipe of this suite. Default: ladder for steps, peers for kernels.",
            autocompletion=completion.suites,
        ),
    ] = "",
    task: Annotated[
        str, typer.Option("--task", "-t", help="Rows to train on.", autocompletion=completion.tasks)
    ] = "movie-sentiment",
    backbone: Annotated[
        str,
        typer.Option("--backbone", "-b", help="The encoder.", autocompletion=completion.backbones),
    ] = "minilm",
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            "-s",
            help="Measure this strategy. Repeatable. Default: six for steps, full for kernels.",
            autocompletion=completion.strategies,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps of each strategy.")] = 50,
    plugin: Plugin = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: torch's choice.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also save the table as JSON; `report` shows RUN/ledger.json."),
    ] = None,
    format: FormatOption = Format.terminal,
) -> None:
    """Show where the time of a training step goes, by strategy or by kernel.

    Example: python -m bench profile --strategy frozen --strategy full --steps 20
    """
    from pydantic import TypeAdapter

    from bench.analysis.tables.model import Table
    from bench.profiling import step_ledger, step_profile
    from bench.profiling.request import Request
    from bench.runs import atomic_files

    strategies = tuple(strategy or STRATEGIES[kind])
    request = Request(suite or SUITES[kind], task, backbone, strategies, device, threads, tuple(plugin or ()))
    measured = step_ledger if kind is ProfileKind.steps else step_profile
    found = measured.profile(request, steps)
    if out:
        atomic_files.write(out, TypeAdapter(Table).dump_json(found, indent=1))
    show(found, format)
