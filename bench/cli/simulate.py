"""`simulate`: what a large grid would take on many GPUs. Imports no torch."""

from __future__ import annotations

from statistics import fmean
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.options import MEASURE

GPUS = tuple(2**power for power in range(10))


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=MEASURE)(simulate)


def simulate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The run or baseline file whose recorded costs are used.",
            autocompletion=completion.runs,
        ),
    ] = "results/baselines/quick.jsonl",
    cells: Annotated[int, typer.Option(min=1, max=100_000, help="Cells of the simulated grid.")] = 10_000,
    gpus: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=100_000, help="Number of GPUs. Repeatable. Default: powers of two up to 512."
        ),
    ] = None,
) -> None:
    """Estimate how long a grid of many cells takes on many GPUs.

    The scheduler itself runs, in simulated time.

    Example: python -m bench simulate results/baselines/quick.jsonl --cells 1000 --gpus 4 --gpus 8
    """
    from bench.analysis.opening import open_source
    from bench.executors import simulate as simulation
    from bench.text import counted

    recorded = simulation.costs_of(open_source(source).records)
    costs = simulation.grid(recorded, cells)
    print(simulation.markdown([simulation.simulate(costs, count) for count in gpus or GPUS]))
    own = [cost.own for cost in costs.values()]
    shared = fmean({cell.group_key: cost.shared for cell, cost in costs.items()}.values())
    print(f"\n{counted(len(costs), 'cell')}, repeated from the {len(recorded)} recorded in {source}:")
    print(f"a cell takes {fmean(own):.1f} s, at most {max(own):.1f} s; a preparation {shared:.1f} s.\n")
    print(simulation.ASSUMPTIONS, end="")
