"""`power`: how small a drop `compare` finds, and how often it raises a false alarm. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.listing import AsJson
from bench.cli.options import MEASURE

if TYPE_CHECKING:
    from bench.analysis.loading import Run


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=MEASURE)(power)


def power(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs or baseline files with two seeds or more. Default: made-up runs of known noise.",
            autocompletion=completion.runs,
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Simulated comparisons of each kind.")
    ] = 200,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds of a simulated run.")] = 3,
    examples: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Test examples of a simulated run; 0: as recorded.")
    ] = 0,
    intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Instead: how often the intervals of tables hold the truth."),
    ] = False,
    cells: Annotated[
        bool,
        typer.Option("--cells", help="Instead: the smallest drop found in each cell of recorded runs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how small a drop `compare` finds, and how often it raises a false alarm.

    Runs of the same code and runs with a known drop are simulated from recorded predictions; prints a row for each
    run.

    Example: python -m bench power results/baselines/quick.jsonl --trials 20

    Example: python -m bench power results/baselines/gate.jsonl --cells
    """
    from dataclasses import asdict

    import numpy as np

    if cells:
        _cells(_opened(runs or ()), as_json)
        return
    if intervals:
        _intervals(trials, as_json)
        return
    from bench.analysis.regression.power import measure
    from bench.analysis.regression.simulation import Simulator, pools

    for place, run in enumerate(_opened(runs or ())):
        rates = measure(run.name, Simulator(pools(run), seeds, examples, np.random.default_rng(0)), trials)
        if as_json:
            print(json.dumps(asdict(rates)), flush=True)
        else:
            print(*([] if place else [rates.head()]), rates.row(), sep="\n", flush=True)


def _cells(runs: Iterator[Run], as_json: bool) -> None:
    """A table in Markdown for each run; as JSON, a line for each strategy over its tasks and each cell."""
    from dataclasses import asdict

    from bench.analysis.regression.reach import reach, table
    from bench.analysis.tables.formats import render

    for place, run in enumerate(runs):
        over, found = reach(run)
        if as_json:
            for item in (*over, *found):
                print(json.dumps({"run": run.name, **asdict(item), "key": item.key._asdict()}), flush=True)
        else:
            print("\n" * bool(place) + render(table(run.name, over, found), "md"), end="", flush=True)


def _intervals(trials: int, as_json: bool) -> None:
    """Simulate the intervals of tables; one setting a line as JSON, or a table at the end."""
    from bench.analysis.statistics import coverage

    found = []
    for setting in coverage.settings():
        found.append(coverage.measure(setting, trials))
        if as_json:
            print(coverage.as_json(found[-1:]), end="", flush=True)
    if not as_json:
        print(coverage.markdown(found), end="")


def _opened(paths: Sequence[Path]) -> Iterator[Run]:
    """The runs that are named, checked before the first is measured; without a name synthetic ones."""
    from bench.analysis.opening import open_source
    from bench.analysis.regression.power import NOISES
    from bench.analysis.regression.synthetic import synthetic_run

    if not paths:
        return (synthetic_run(seeds=30, noise=noise) for noise in NOISES)
    return iter([open_source(str(path)) for path in paths])
