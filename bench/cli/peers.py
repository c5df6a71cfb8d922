"""The command `peers`: this engine and its peers on the same cells, side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import MEASURE, Format, Threads
from bench.cli.output import console, put, show
from bench.cli.run import Backbones, Settings, Strategies, Tasks
from bench.contracts import BenchError
from bench.runs import atomic_files

if TYPE_CHECKING:
    from bench.peers.measurement import MeasurementJob, PeerResults, Side
    from bench.runs.record import Machine
    from bench.suite import Filters

FOLDER = Path("results/speed")
QUICK = ("recipe.train=200", "recipe.validation=50", "recipe.test=100")
"""Sizes for trying the command; nothing that it prints then is worth quoting."""


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=MEASURE)(peers)


def peers(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="The suite to measure; its seeds are the repeats.",
            autocompletion=completion.suites,
        ),
    ] = "peers",
    task: Tasks = None,
    strategy: Strategies = None,
    backbone: Backbones = None,
    side: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this side: engine, trainer, trainer-tuned, scikit-learn, sentence-transformers, "
            "setfit. Repeatable."
        ),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Measurements of each cell, a seed each.")
    ] = None,
    train: Annotated[int | None, typer.Option(min=1, help="Training examples of every task.")] = None,
    settings: Settings = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only a try: 200 training examples, one repeat.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where measurements are kept. Default: results/speed/peers-MACHINE.json."),
    ] = None,
    plugin: Plugin = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Threads = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure everything again.")] = False,
    shown: Annotated[bool, typer.Option("--show", help="Measure nothing; show what was measured.")] = False,
    into: Annotated[
        Path | None, typer.Option(help="Write the Markdown between the <!-- peers --> marks of this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this engine beside its peers on the same cells.

    They are Hugging Face Trainer, scikit-learn, sentence-transformers and setfit.

    Each measurement is saved at once: stop and start again as you like.

    Example: python -m bench peers --task movie-sentiment --strategy full --repeats 3
    """
    from bench.peers import table
    from bench.peers.measurement import MeasurementJob, read
    from bench.suite import Filters

    sizes = [*(QUICK if quick else ()), *([f"recipe.train={train}"] if train else []), *(settings or [])]
    count = repeats or (1 if quick else None)
    filters = Filters(tuple(task or ()), tuple(strategy or ()), tuple(backbone or ()), count)
    job = MeasurementJob(
        side="engine", cells=(), device=device, threads=threads, plugin_files=tuple(plugin or ())
    )
    request = _Request(suite, sizes, filters, _sides(side or ()), job)
    path = out or FOLDER / f"peers-{'quick-' if quick else ''}{_slug(_machine(job))}.json"
    results = read(path) if shown else _measure(request, path, fresh)
    if into:
        put(table.build(results), into, "peers")
    if as_json:
        print(table.as_json(results))
    elif not into:
        show(table.build(results), Format.terminal)


@dataclass(frozen=True)
class _Request:
    """Which cells, which sides, and what every job has in common."""

    suite: str
    settings: Sequence[str]
    filters: Filters
    sides: tuple[Side, ...]
    job: MeasurementJob


def _measure(request: _Request, path: Path, fresh: bool) -> PeerResults:
    """Check the request as a whole, then take what measurements are missing in the file."""
    from bench import suite
    from bench.cli.display import Display
    from bench.data.sources import Sources
    from bench.executors import launch
    from bench.peers import measuring
    from bench.planning.rows_read import RowsRead
    from bench.registry import Registry, discover

    screen = console(stderr=True)

    def say(line: str) -> None:
        screen.print(line, highlight=False, markup=False)

    plugins = discover(request.job.plugin_files)
    chosen = suite.load(request.suite, request.settings)
    cells = suite.cells(chosen, plugins, request.filters)
    measuring.check(cells, request.sides)
    registry = Registry(plugins, Sources(local=chosen.data.local))
    rows = RowsRead()
    launch.check(cells, registry, Display(screen), rows)
    incompatible = launch.incompatible(cells, registry)
    if incompatible:
        raise BenchError(next(iter(incompatible.values())), code="strategy-does-not-fit")
    if fresh:
        atomic_files.remove(path)
    machine = _machine(request.job)
    results = measuring.begin(path, machine, cells, measuring.terms_of(cells, registry, rows), say)
    job = request.job.model_copy(update={"local": chosen.data.local, "dtype": machine.dtype})
    return measuring.measure(measuring.jobs(cells, request.sides, job), results, path, say)


def _sides(names: Sequence[str]) -> tuple[Side, ...]:
    """The named sides, by default all. BenchError for one that does not exist."""
    from bench.peers.measurement import SIDES
    from bench.registry import unknown

    for name in names:
        if name not in SIDES:
            raise unknown("side", name, SIDES)
    return tuple(side for side in SIDES if not names or side in names)


def _machine(job: MeasurementJob) -> Machine:
    from bench.engine.machine import choose_device, describe

    return describe(choose_device(job.device, job.threads))


def _slug(machine: Machine) -> str:
    """The machine as a part of a file name: `amd-epyc-2-cores`."""
    name = machine.processor if machine.device == "cpu" else machine.device
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
