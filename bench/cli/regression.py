"""`compare`, `baseline` and `history`: what changed between runs. None of them imports torch."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from bench.cli.options import TRACK, Format, FormatOption, RunPath, names
from bench.cli.output import show
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.loading import Run


class CompareFormat(StrEnum):
    terminal = "terminal"
    md = "md"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (compare, baseline, history):
        app.command(rich_help_panel=TRACK)(command)


def compare(
    baseline: Annotated[
        str,
        typer.Argument(metavar="BASELINE", help="A run, a baseline file, or a git revision that has one."),
    ],
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run or a baseline file.")],
    format: Annotated[
        CompareFormat, typer.Option("--format", "-f", help="terminal, md for a pull request, or json.")
    ] = CompareFormat.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    fail_on: Annotated[
        str, typer.Option(help="Gates that make the exit code 1: quality, time, memory, missing, changed.")
    ] = "quality,missing",
) -> None:
    """Say what regressed between two runs.

    Exit code 0: nothing; 1: something; 2: the runs cannot be compared, or a gate could judge no cell.

    Example: python -m bench compare results/baselines/quick.jsonl results/runs/quick
    """
    from bench.analysis.opening import UNVERIFIED, open_source
    from bench.analysis.regression import compare as comparing
    from bench.analysis.regression import regression_table
    from bench.runs import collection

    collection.seldom()
    gates = names(fail_on)
    if not gates:
        known = ", ".join(get_args(comparing.Gate))
        raise BenchError(f"--fail-on names no gate, so nothing could fail (gates: {known})", code="no-gate")
    options = comparing.CompareOptions(fail_on=gates)
    new = open_source(run)
    old = open_source(baseline, suite=_suite(new))
    result = comparing.compare(old, new, options)
    if not (old.verified and new.verified):
        result = replace(result, notes=(*result.notes, UNVERIFIED))
    if as_json or format is CompareFormat.json:
        print(result.to_json(), end="")
    elif format is CompareFormat.md:
        print(regression_table.pull_request(result))
    else:
        show(regression_table.table(result), Format.terminal)
    raise typer.Exit(result.exit_code)


def baseline(
    run: RunPath,
    add: Annotated[
        bool,
        typer.Option(
            "--add", help="Keep the cells of the baseline that this run lacks: for a suite run in parts."
        ),
    ] = False,
) -> None:
    """Save a run as the baseline of its suite, to commit and to compare with.

    It goes to results/baselines/SUITE.jsonl; a line of results/history.jsonl, the committed history, is added.

    Example: python -m bench baseline results/runs/quick
    """
    from bench.analysis.opening import open_source
    from bench.analysis.regression.baseline import FOLDER, dump, read
    from bench.analysis.regression.history import COMMITTED, append, check
    from bench.runs import atomic_files
    from bench.text import counted

    source = open_source(str(run))
    path = FOLDER / f"{_suite(source)}.jsonl"
    text = dump(read(path), source) if add and path.exists() else dump(source)
    check(COMMITTED)  # else the baseline would be there without its line
    atomic_files.write(path, text.encode())
    print(f"{path}: {counted(len(text.splitlines()), 'cell')}, {len(text) / 1024:.0f} KiB; commit it")
    if any(record.status == "done" for record in source.records):
        append(source.records, COMMITTED)
        print(f"{COMMITTED}: has this run; commit it too")


def history(
    suite: Annotated[str, typer.Argument(help="The suite.")] = "quick",
    task: Annotated[str, typer.Option("--task", "-t", help="Only this task.")] = "",
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Only this strategy.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="One history file. Default: the committed one and your runs'.")
    ] = None,
    format: FormatOption = Format.terminal,
) -> None:
    """Show how scores and times moved over the completed runs of a suite, and where they jumped.

    Example: python -m bench history quick --task movie-sentiment --strategy full
    """
    from bench.analysis.regression.history import read, read_both, trend
    from bench.runs.folder import RUNS

    show(trend(read(file) if file else read_both(RUNS), suite, task, strategy), format)


def _suite(run: Run) -> str:
    if not run.records:
        raise BenchError(f"{run.name} has no records: run the suite first", code="no-records")
    return run.records[0].cell.suite
