"""`rates`: chooses a suite's learning rates from its development run; and at which rates `run` trains."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import completion
from bench.cli.listing import Plugin
from bench.cli.options import RUN
from bench.contracts import BenchError, Cell
from bench.text import counted, first_of, printable

if TYPE_CHECKING:
    from bench.planning.grids import Filters
    from bench.protocol.choice import Choice
    from bench.protocol.development_run import DevelopmentRun
    from bench.registry import Registry
    from bench.runs.folder import Store
    from bench.suite import Suite

Request = tuple["Registry", "Suite", list[Cell]]
HARMLESS = ("name", "description", "data", "seeds", "optional", "grid")
"""Keys of a suite that no choice of a rate rests on."""
MEASURED = ("test", "shift", "serving", "forgetting", "logits", "calibrate")
"""Keys of a recipe that no choice of a rate rests on: what is measured of a trained model."""
ABSENT = ("cannot-reach-hub", "no-folder", "cannot-download", "no-npm")
"""Codes of errors that say that rows cannot be had. Any other says that something is wrong with them."""


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


def _opened(folder: Path, suite: str) -> Store:
    """A development run. BenchError says how to make it."""
    from bench.runs.folder import open_run

    try:
        return open_run(folder)
    except BenchError as error:
        if error.code != "no-run":
            raise
        raise BenchError(
            f"{folder} is no run: make it with `python -m bench run {suite} --rates development`",
            code="no-run",
        ) from error


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
    from bench.cli.run import request
    from bench.planning.grids import Filters
    from bench.protocol import choice, draw
    from bench.protocol.development_run import sorted_out

    settings = [f"data.local={json.dumps(str(local), ensure_ascii=False)}"] if local else []
    registry, chosen, _ = request(suite, settings, list(plugin or ()), Filters(), None)
    least = draw.development(chosen).validation
    folders = run or [Path("results/runs") / f"{chosen.name}-development"]
    records = [record for folder in folders for record in _opened(folder, suite).records()]
    found = sorted_out(registry, chosen, records)
    if not found.whole:
        raise _nothing(found, suite, f"{', '.join(map(str, folders))} ({counted(len(records), 'record')})")
    choice.check_rows(found.whole, least, found.rows)
    choices = choice.choose(found.whole)
    fixed = choice.merged(chosen.rates, choices, again)
    strategies = {
        name: found.registry.plugins.strategy(name, chosen.strategies.get(name, {}).items())
        for _, _, name in (item.place for item in choices)
    }
    defaults = choice.multiplied(chosen.rates, choices, again, strategies)
    choice.write(suites.path_of(suite), fixed, defaults)
    show(table.build(found.whole), Format.terminal)
    print(f"{suites.path_of(suite)}: {counted(len(choices), 'rate')} fixed")
    _say(choices, least)
    if found.partly:
        print(f"left out, since not every seed has finished: {', '.join(found.partly)}")
    if lacking := [name for name in found.missing if name not in map("/".join, fixed)]:
        print(f"not chosen yet, since no seed has finished: {first_of(lacking)}")


def _nothing(found: DevelopmentRun, suite: str, where: str) -> BenchError:
    """Why no rate can be chosen."""
    again = f"`python -m bench run {shlex.quote(suite)} --rates development`"
    if found.partly:
        return BenchError(
            f"{where}: not every seed of {first_of(found.partly)} has finished, and nothing else has: run {again} "
            "to its end",
            code="nothing-to-choose",
        )
    return BenchError(
        f"{where}: no finished cell is one that suite '{suite}' would run now: run {again}, and give "
        "--local as it was given there",
        code="no-development-run",
    )


def _say(choices: Sequence[Choice], least: int) -> None:
    """What makes choices less certain. least: validation rows that should decide."""
    edges = ["/".join(item.place) for item in choices if item.at_edge]
    if edges:
        print(f"at the edge of the grid, so that a better rate may lie beyond it: {', '.join(edges)}")
    few = {f"{item.place[0]} ({item.rows})": None for item in choices if 0 < item.rows < least}
    if few:
        print(f"chosen on fewer than {least} validation rows, since the task has no more: {', '.join(few)}")


def at_rates(mode: RatesMode, found: Request, filters: Filters) -> Request:
    """What is asked for, at the rates that are asked for."""
    registry, suite, _ = found
    if mode is RatesMode.chosen:
        return found
    if mode is RatesMode.development:
        from bench.protocol import development_run

        return development_run.cells(registry, suite, filters)
    from bench import suite as suites

    update = {"name": f"{suite.name}-default-rates", "rates": None, "development": None}
    plain = suite.model_copy(update=update)
    return registry, plain, suites.cells(plain, registry.plugins, filters)


def check_chosen(suite: Suite, cells: Sequence[Cell], registry: Registry, asked: str) -> None:
    """BenchError where the suite ranks at chosen rates and a cell has none yet, or none that holds: its test rows
    stay unseen. asked: the suite as the request names it."""
    from bench.planning.rates import check_defaults
    from bench.protocol import choice, draw

    if suite.development is None and suite.rates is None:
        return
    able = [cell for cell in draw.with_rates(cells, registry.plugins) if not registry.incompatible(cell)]
    places = {choice.place_of(cell): cell for cell in able}
    fixed = choice.flat(suite.rates) if suite.rates else {}
    lacking = ["/".join(place) for place in places if place not in fixed]
    if lacking and suite.development:
        typed = shlex.quote(asked)
        raise BenchError(
            f"suite '{suite.name}': no rate was chosen for {first_of(lacking)}: run `python -m bench run {typed} "
            f"--rates development` and `python -m bench rates {typed}` first, or train at the strategies' defaults "
            "with --rates default",
            code="rates-not-chosen",
        )
    if suite.rates:
        known = {cell.strategy: registry.strategy(cell) for place, cell in places.items() if place in fixed}
        check_defaults(suite.rates, known, suite.name)


def say_refusal(suite: Suite, cells: Sequence[Cell], registry: Registry, asked: str) -> None:
    """One line on stderr where `run` would refuse the cells."""
    try:
        check_chosen(suite, cells, registry, asked)
    except BenchError as error:
        print(printable(f"note: `run` refuses these cells: {error}"), file=sys.stderr)


def say_departures(suite: str, settings: Sequence[str], chosen: Suite) -> None:
    """One line on stderr where settings of a request change what the suite's rates were chosen for."""
    if chosen.rates is None or not settings:
        return
    from bench import suite as suites

    before = held = _held(suites.load(suite))
    told = []
    for number, setting in enumerate(settings, 1):
        try:
            now = _held(suites.load(suite, settings[:number]))
        except BenchError:  # a later setting completes it
            now = {}
        if now != held:
            told.append(shlex.quote(setting))
        held = now
    if held != before:
        print(
            f"note: the rates of suite '{suite}' were chosen without --set {' --set '.join(told)}: others may be "
            f"better with {'them' if len(told) > 1 else 'it'}",
            file=sys.stderr,
        )


def _held(suite: Suite) -> dict[str, Any]:
    """What a suite's rates were chosen for."""
    held = suite.model_dump(exclude={*HARMLESS, "rates"})
    for keys in (held["recipe"], *held["tasks"].values()):
        for key in MEASURED:
            keys.pop(key, None)
    return held


def without_missing(found: Request, filters: Filters) -> list[Cell]:
    """The cells without those of optional tasks whose rows cannot be had, each said in one line. A task that the
    request names is not left out. BenchError where rows are there and cannot be used, and where no cell is left."""
    registry, suite, cells = found
    named = {task.partition("@")[0] for task in filters.tasks}
    for task in suite.optional:
        if task in named or not any(cell.task.partition("@")[0] == task for cell in cells):
            continue
        try:
            registry.task(task).splits(registry.sources)
        except BenchError as error:
            if error.code not in ABSENT:
                raise
            print(f"left out: {task}: {error}", file=sys.stderr)
            cells = [cell for cell in cells if cell.task.partition("@")[0] != task]
    if not cells:
        why = (
            "the rows of none of its tasks can be had"
            if found[2]
            else "no strategy asked for has a rate to try"
        )
        raise BenchError(f"suite '{suite.name}': {why}", code="nothing-to-run")
    return cells
