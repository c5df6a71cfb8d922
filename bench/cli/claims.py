"""`verify`: which published claims a run confirms or contradicts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import READ, Format, FormatOption
from bench.cli.output import show

if TYPE_CHECKING:
    from bench.analysis.claims.declared import Tried
    from bench.contracts import Cell
    from bench.suite import Suite


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=READ)(verify)


def verify(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run folders, their names under results/runs, or baseline files."),
    ],
    claims: Annotated[
        Path | None,
        typer.Option(help="Your own claims, in a file like bench/analysis/claims/claims.toml."),
    ] = None,
    format: FormatOption = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say which published claims a run confirms, contradicts or cannot test: for each task, then over tasks.

    Several runs together test claims on the length of training and on bias correction.

    The exit code is 0 either way: a contradiction is a finding.

    Example: python -m bench verify quick curve shift
    """
    import json

    from bench.analysis.claims.declared import Declared
    from bench.analysis.claims.findings import as_dict, report
    from bench.analysis.claims.findings import table as tabulated
    from bench.analysis.claims.published import PATH, read
    from bench.analysis.claims.verify import verify_runs
    from bench.analysis.opening import open_source
    from bench.registry import Registry, discover

    published = read(claims or PATH)
    opened = [open_source(str(run)) for run in runs]
    declared = Declared(
        Registry(discover()), chosen
    )  # without a run's own plug-ins: verify executes no file of it
    findings = verify_runs(published, opened, declared)
    if as_json:
        print(json.dumps([as_dict(item) for item in findings], indent=1))
    elif format is Format.terminal:
        print(report(findings))
    else:
        show(tabulated(findings), format)


def chosen(cell: Cell) -> Tried:
    """The learning-rate scales that a built-in suite tried on its development draw, where the cell has the chosen
    one."""
    import math

    from bench.analysis.claims.declared import Tried

    suite = _built_in(cell.suite)
    scale = suite.rates.scale(cell.task, cell.backbone, cell.strategy) if suite and suite.rates else None
    if suite is None or scale is None or suite.development is None:
        return Tried()
    recipe = suite.task_recipe(cell.task.partition("@")[0])
    same = math.isclose(recipe.rate_scale * scale, cell.recipe.rate_scale)
    return Tried(scale, suite.development.scales, suite.development.seeds) if same else Tried()


@cache
def _built_in(name: str) -> Suite | None:
    """The suite of this name that comes with the program; None where it was changed after its rates were chosen."""
    from bench import suite as suites
    from bench.contracts import BenchError

    try:
        return suites.load(name) if name in suites.names() else None
    except BenchError:
        return None
