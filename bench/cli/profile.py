"""`profile`: where the time of a training step goes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import MEASURE, MOST_THREADS, Format, FormatOption, number
from bench.cli.output import show
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.tables.model import Table
    from bench.profiling.request import Request


class ProfileKind(StrEnum):
    steps = "steps"
    kernels = "kernels"
    parts = "parts"
    order = "order"
    device = "device"
    prepare = "prepare"


SUITES = {
    ProfileKind.steps: "ladder",
    ProfileKind.kernels: "peers",
    ProfileKind.parts: "peers",
    ProfileKind.order: "quick",
    ProfileKind.prepare: "quick",
}
STRATEGIES = {
    ProfileKind.steps: ("frozen", "bitfit", "lora", "adapter", "top-layers", "full"),
    ProfileKind.kernels: ("full",),
    ProfileKind.parts: ("full",),
    ProfileKind.order: ("frozen", "top-layers", "full"),
    ProfileKind.prepare: ("full",),
}
TASK = "movie-sentiment"


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=MEASURE)(profile)


def profile(
    kind: Annotated[
        ProfileKind,
        typer.Option(
            help="steps: forward, backward and optimizer of strategies side by side. "
            "kernels: what a step is made of. parts: the step without each of its parts, which is the most that a "
            "faster one could give. order: the same cells in two orders. device: this engine and Trainer "
            "on made-up encoders, within --limit. prepare: what each task of the suite takes before it trains."
        ),
    ] = ProfileKind.steps,
    suite: Annotated[
        str,
        typer.Option(
            help="Take the recipe of this suite. Default: ladder for steps, peers for kernels and parts, quick for "
            "order and prepare.",
            autocompletion=completion.suites,
        ),
    ] = "",
    task: Annotated[
        str,
        typer.Option(
            "--task",
            "-t",
            help=f"Rows to train on. Default: {TASK}; for prepare, every task of the suite.",
            autocompletion=completion.tasks,
        ),
    ] = "",
    backbone: Annotated[
        str,
        typer.Option("--backbone", "-b", help="The encoder.", autocompletion=completion.backbones),
    ] = "minilm",
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            "-s",
            help="Measure this strategy. Repeatable. Default: six for steps, three for order, full for all others.",
            autocompletion=completion.strategies,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Measured steps of each strategy.")] = 50,
    limit: Annotated[
        float,
        typer.Option(min=1, callback=number, help="Seconds after which device stops and shows what it has."),
    ] = 150.0,
    against: Annotated[
        Path | None,
        typer.Option(help="For prepare: also measure this older checkout of the project, in turns."),
    ] = None,
    plugin: Plugin = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_THREADS, help="CPU threads. Default: torch's choice; 1 for prepare."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also save the table as JSON; `report` shows RUN/ledger.json."),
    ] = None,
    format: FormatOption = Format.terminal,
) -> None:
    """Show where the time of a training step or of preparing goes, and whether times are true on this machine.

    Example: python -m bench profile --strategy frozen --strategy full --steps 20
    """
    from pydantic import TypeAdapter

    from bench.analysis.tables.model import Table
    from bench.runs import atomic_files

    if against and kind is not ProfileKind.prepare:
        raise BenchError("--against belongs to --kind prepare", code="against-without-prepare")
    if kind is ProfileKind.device:
        from bench.profiling import device_check

        checked = device_check.check(device, limit, threads)
        found, content = checked.table, checked.as_json()
    else:
        from bench.profiling.request import Request

        names = tuple(strategy or STRATEGIES[kind])
        rows = task or ("" if kind is ProfileKind.prepare else TASK)
        request = Request(suite or SUITES[kind], rows, backbone, names, device, threads, tuple(plugin or ()))
        found = (
            _prepared(request, against) if kind is ProfileKind.prepare else _measured(kind, request, steps)
        )
        content = TypeAdapter(Table).dump_json(found, indent=1)
    if out:
        atomic_files.write(out, content)
    show(found, format)


def _prepared(request: Request, against: Path | None) -> Table:
    from bench.profiling import preparing

    return preparing.profile(request, against)


def _measured(kind: ProfileKind, request: Request, steps: int) -> Table:
    """What is measured on rows and an encoder that exist."""
    from bench.profiling import order, step_ledger, step_parts, step_profile

    if kind is ProfileKind.order:
        return order.profile(request)
    measured = {
        ProfileKind.steps: step_ledger,
        ProfileKind.kernels: step_profile,
        ProfileKind.parts: step_parts,
    }
    return measured[kind].profile(request, steps)
