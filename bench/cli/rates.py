"""`rates`: chooses a suite's learning rates from its development run; and at which rates `run` trains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import RUN
from bench.contracts import BenchError, Cell
from bench.text import counted

if TYPE_CHECKING:
    from bench.planning.grids import Filters
    from bench.registry import Registry
    from bench.runs.record import Record
    from bench.suite import Suite

Request = tuple["Registry", "Suite", list[Cell]]
NAMED = 3  # cells that a message names


class RatesMode(StrEnum):
    chosen = "chosen"
    default = "default"
    development = "development"


RatesOption = Annotated[
    RatesMode,
    typer.Option(
        "--rates",
        help="Of a suite with a section `development`: train at the rates that were chosen for it; at each "
        "strategy's defaults; or try them all on the development draw, which has no test row.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=RUN)(rates)


def rates(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE", help="A built-in suite or a .toml file.", autocompletion=completion.suites
        ),
    ],
    run: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Development runs. Default: results/runs/SUITE-development.",
            autocompletion=completion.runs,
        ),
    ] = None,
    local: Annotated[
        Path | None, typer.Option(help="The folder in the hub's layout that the development run read.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Replace rates that are fixed, though test rows may have been scored."),
    ] = False,
    plugin: Plugin = None,
) -> None:
    """Choose a suite's learning rates from its development run, and fix them in the suite's file.

    Example: python -m bench rates reference
    """
    from bench import suite as suites
    from bench.analysis import rates as table
    from bench.cli.options import Format
    from bench.cli.output import show
    from bench.data.sources import Sources
    from bench.planning.grids import Filters
    from bench.protocol import choice
    from bench.registry import Registry, discover
    from bench.runs.folder import open_run

    chosen = suites.load(suite)
    sources = Sources(local=local or chosen.data.local)
    registry, _, cells = development(Registry(discover(plugin or ()), sources), chosen, Filters())
    wanted = {cell.id: registry.fingerprint(cell) for cell in cells}
    folders = run or [Path("results/runs") / f"{chosen.name}-development"]
    records = [record for folder in folders for record in open_run(folder).records()]
    fitting = [
        record
        for record in records
        if record.status == "done" and record.fingerprint == wanted.get(record.cell.id)
    ]
    if not fitting:
        raise BenchError(
            f"no finished cell of {', '.join(map(str, folders))} is one that suite '{chosen.name}' would run now "
            f"({counted(len(records), 'record')}): run `bench run {suite} --rates development`, and give --local "
            "as it was given there",
            code="no-development-run",
        )
    choices = choice.choose(_whole(fitting, cells))
    choice.write(suites.path_of(suite), choice.merged(chosen.rates, choices, again))
    show(table.build(fitting), Format.terminal)
    print(f"{suites.path_of(suite)}: {counted(len(choices), 'rate')} fixed")
    edges = ["/".join(item.place) for item in choices if item.at_edge]
    if edges:
        print(f"at the edge of the grid, so that a better rate may lie beyond it: {', '.join(edges)}")


def _whole(records: Sequence[Record], cells: Sequence[Cell]) -> list[Record]:
    """The records of those cells of which every seed is done."""
    done = {record.cell.id for record in records}
    lacking = {cell.id.rpartition("/")[0] for cell in cells if cell.id not in done}
    return [record for record in records if record.cell.id.rpartition("/")[0] not in lacking]


def at_rates(mode: RatesMode, found: Request, filters: Filters) -> Request:
    """What is asked for, at the rates that are asked for."""
    registry, suite, _ = found
    if mode is RatesMode.chosen:
        return found
    if mode is RatesMode.development:
        return development(registry, suite, filters)
    from bench import suite as suites

    update = {"name": f"{suite.name}-default-rates", "rates": None, "development": None}
    plain = suite.model_copy(update=update)
    return registry, plain, suites.cells(plain, registry.plugins, filters)


def development(registry: Registry, suite: Suite, filters: Filters) -> Request:
    """The suite that tries every rate on the development draws, its tasks among the plug-ins, and its cells."""
    from bench import suite as suites
    from bench.protocol import draw
    from bench.registry import discover

    plugins = discover([*registry.given, *draw.draws(suite, filters.tasks)])
    trying = draw.development_suite(suite)
    cells = suites.cells(trying, plugins, draw.development_filters(filters))
    return replace(registry, plugins=plugins), trying, draw.with_rates(cells, plugins)


def check_chosen(suite: Suite, cells: Sequence[Cell], registry: Registry) -> None:
    """BenchError where the suite ranks at chosen rates and a cell has none yet: its test rows stay unseen."""
    from bench.protocol import choice, draw

    if suite.development is None:
        return
    asked = [cell for cell in draw.with_rates(cells, registry.plugins) if not registry.incompatible(cell)]
    places = dict.fromkeys(choice.place_of(cell) for cell in asked)
    lacking = [
        "/".join(place) for place in places if suite.rates is None or suite.rates.scale(*place) is None
    ]
    if lacking:
        more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        raise BenchError(
            f"suite '{suite.name}': no rate was chosen for {', '.join(lacking[:NAMED])}{more}: run `bench run "
            f"{suite.name} --rates development` and `bench rates {suite.name}` first, or train at the strategies' "
            "defaults with --rates default",
            code="rates-not-chosen",
        )


def without_missing(found: Request, filters: Filters) -> list[Cell]:
    """The cells without those of optional tasks whose rows cannot be had, each said in one line. A task that the
    request names is not left out."""
    registry, suite, cells = found
    named = {task.partition("@")[0] for task in filters.tasks}
    for task in suite.optional:
        if task in named or not any(cell.task.partition("@")[0] == task for cell in cells):
            continue
        try:
            registry.task(task).splits(registry.sources)
        except BenchError as error:
            print(f"left out: {task}: {error}", file=sys.stderr)
            cells = [cell for cell in cells if cell.task.partition("@")[0] != task]
    return cells
