"""`verify`: which published claims a run confirms or contradicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import READ, Format, FormatOption
from bench.cli.output import show


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command(rich_help_panel=READ)(verify)


def verify(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders, or names under results/runs.")
    ],
    claims: Annotated[
        Path | None,
        typer.Option(help="Your own claims, in a file like bench/analysis/claims/claims.toml."),
    ] = None,
    format: FormatOption = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say which published claims a run confirms, contradicts or cannot test: for each task, then over tasks.

    Several runs together test claims on the length of training. The exit code is 0 either way: a contradiction is
    a finding.

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
    findings = verify_runs(
        published, opened, Declared(Registry(discover()))
    )  # a run's own files are not executed
    if as_json:
        print(json.dumps([as_dict(item) for item in findings], indent=1))
    elif format is Format.terminal:
        print(report(findings))
    else:
        show(tabulated(findings), format)
