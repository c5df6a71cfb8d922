"""The commands that read finished runs: table, verify, compare, baseline, history. None of them imports torch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import completion
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.loading import Run
    from bench.analysis.tables.model import Table


class Format(StrEnum):
    terminal = "terminal"
    md = "md"
    latex = "latex"
    csv = "csv"
    html = "html"
    json = "json"


class Kind(StrEnum):
    scores = "scores"
    pairs = "pairs"
    convergence = "convergence"
    shift = "shift"
    curve = "curve"


class CompareFormat(StrEnum):
    terminal = "terminal"
    md = "md"
    json = "json"


MANY = 2000
"""Records above which a table is made from them alone, without their predictions and checksums."""
UNVERIFIED = (
    f"More than {MANY:,} records: checksums were not verified (python -m bench check RUN verifies them)."
)

RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A run folder, or its name under results/runs.",
        autocompletion=completion.runs,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print it.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (table, verify, compare, baseline, history):
        app.command()(command)


def table(
    run: RunPath,
    format: FormatOption = Format.terminal,
    kind: Annotated[
        Kind,
        typer.Option(help="Scores; paired tests with the best; epochs to converge; other domains; sizes."),
    ] = Kind.scores,
    rows: Annotated[
        str, typer.Option(help="`task,strategy,backbone`, or `strategy,backbone` for tasks side by side.")
    ] = "task,strategy,backbone",
    columns: Annotated[
        str, typer.Option(help="Metrics and measures, separated by commas; a wrong one lists them all.")
    ] = "",
    metric: Annotated[str, typer.Option(help="Rank by this metric instead of each task's headline.")] = "",
    caption: Annotated[str, typer.Option(help="The table's caption.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="Put the Markdown between <!-- table --> marks of this file instead.")
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help=f"Read the predictions of more than {MANY:,} records too.")
    ] = False,
) -> None:
    """Print a table of a run: scores with 95% intervals, wall-clock time and trainable share.

    Example: python -m bench table quick --rows strategy,backbone --format latex
    """
    import gc

    from bench.analysis import convergence, curves, shift
    from bench.analysis.statistics import paired
    from bench.analysis.tables import build as tables

    gc.set_threshold(100_000, 50, 50)  # records are not garbage, and looking for it takes a third of the time
    source = open_source(str(run))
    predictions = source.predictions if intervals or len(source.records) <= MANY else None
    if kind is Kind.scores:
        options = tables.TableOptions(_names(rows), _names(columns), metric, caption)
        result = tables.build(source.records, predictions, options)
    elif kind is Kind.pairs:
        result = paired.build(source.records, source.predictions, metric)
    elif kind is Kind.shift:
        result = shift.build(source.records, predictions, metric)
    elif kind is Kind.curve:
        result = curves.build(source.records, predictions, metric)
    else:
        result = convergence.build(source.records)
    result = noted(result, source)
    if into:
        put(result, into)
    else:
        show(result, format)


def verify(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or names under results/runs.")
    ],
    claims: Annotated[
        Path | None,
        typer.Option(help="A file of claims of your own, as bench/analysis/claims/claims.toml is."),
    ] = None,
    format: FormatOption = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say which published claims a run confirms or contradicts, with the numbers. Exit code 0 either way: a
    contradiction is a finding.

    Example: python -m bench verify quick curve shift
    """
    import json

    from bench.analysis.claims.findings import as_dict, report
    from bench.analysis.claims.findings import table as tabulated
    from bench.analysis.claims.published import PATH, read
    from bench.analysis.claims.verify import verify as judge

    published = read(claims or PATH)
    findings = [finding for run in runs for finding in judge(published, open_source(str(run)))]
    if as_json:
        print(json.dumps([as_dict(item) for item in findings], indent=1))
    elif format is Format.terminal:
        print(report(findings))
    else:
        show(tabulated(findings), format)


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
        str, typer.Option(help="Gates that make the exit code 1: quality, time, memory, missing.")
    ] = "quality,missing",
) -> None:
    """Say what regressed between two runs. Exit code 0: nothing; 1: something; 2: they cannot be compared.

    Example: python -m bench compare results/baselines/quick.jsonl results/runs/quick
    """
    from bench.analysis.regression import compare as comparing
    from bench.analysis.regression import regression_table

    new = open_source(run)
    old = open_source(baseline, suite=_suite(new))
    result = comparing.compare(old, new, comparing.CompareOptions(fail_on=_names(fail_on)))
    if as_json or format is CompareFormat.json:
        print(result.to_json(), end="")
    elif format is CompareFormat.md:
        print(regression_table.pull_request(result))
    else:
        show(noted(regression_table.table(result), old, new), Format.terminal)
    raise typer.Exit(result.exit_code)


def baseline(run: RunPath) -> None:
    """Promote a run to results/baselines/SUITE.jsonl, which is committed and compared with.

    Example: python -m bench baseline results/runs/quick
    """
    from bench.analysis.regression.baseline import FOLDER, dump
    from bench.runs import atomic_files

    source = open_source(str(run))
    path = FOLDER / f"{_suite(source)}.jsonl"
    text = dump(source)
    atomic_files.write(path, text.encode())
    print(f"{path}: {len(source.records)} cells, {len(text) / 1024:.0f} KiB; commit it")


def history(
    suite: Annotated[str, typer.Argument(help="The suite.")] = "quick",
    task: Annotated[str, typer.Option("--task", "-t", help="Only this task.")] = "",
    strategy: Annotated[str, typer.Option("--strategy", "-s", help="Only this strategy.")] = "",
    file: Annotated[Path, typer.Option(help="The history.")] = Path("results/history.jsonl"),
    format: FormatOption = Format.terminal,
) -> None:
    """Show how scores and times moved over the completed runs of a suite, and the steps in them.

    Example: python -m bench history quick --task movie-sentiment --strategy full
    """
    from bench.analysis.regression.history import read, trend

    show(trend(read(file), suite, task, strategy), format)


def put(table: Table, path: Path, mark: str = "table") -> None:
    """Replace what stands between the marks of a file by the table in Markdown. BenchError where it has none."""
    from bench.analysis.tables.formats import render
    from bench.runs import atomic_files

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"--into {path} cannot be read: {error}") from error
    before, start, rest = text.partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- /{mark} -->")
    if not start or not end:
        raise BenchError(f"--into {path}: it has no lines <!-- {mark} --> and <!-- /{mark} -->; add them")
    atomic_files.write(path, (before + start + render(table, "md") + end + after).encode())


def print_scores(run: Path) -> None:
    """The table of scores, for the end of `run`."""
    from bench.analysis.tables.build import build

    source = open_source(str(run))
    show(build(source.records, source.predictions), Format.terminal)


def note_completed(folder: Path, begun: str) -> None:
    """Add a run to the history beside its `runs` folder where all its cells are finished, one of them since
    `begun` (ISO 8601, UTC). What keeps it from being written is a warning: the run itself is whole."""
    import sys

    from bench.analysis.regression import history
    from bench.runs.folder import open_run

    runs = folder.resolve().parent
    if runs.name != "runs":
        return
    store = open_run(folder)
    records = store.records()
    finished = {record.cell.id for record in records if record.status in ("done", "skipped")}
    if not finished.issuperset(store.planned()) or all(record.started < begun for record in records):
        return
    path = runs.parent / history.PATH.name
    try:
        history.append(records, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the file is damaged"
        print(
            f"warning: {path} cannot be written ({reason}): this run is not in the history", file=sys.stderr
        )


def show(table: Table, format: Format) -> None:
    """Print a table."""
    if format is Format.terminal:
        from bench.analysis.tables import terminal

        console().print(terminal.show(table))
        return
    from bench.analysis.tables.formats import render

    print(render(table, format.value), end="")


def open_source(name: str, suite: str = "") -> Run:
    """The run, the baseline file, or (where `suite` is given) the baseline at a git revision.

    Raises BenchError where it is none of them."""
    from bench.analysis import loading
    from bench.analysis.regression.baseline import read, read_revision
    from bench.runs.folder import open_run

    path = Path(name)
    if path.suffix == ".jsonl":
        return read(path)
    try:
        store = open_run(path)
    except BenchError:
        if not suite or path.exists():
            raise
        return read_revision(name, suite)
    few = len(store.planned()) <= MANY
    records = store.records() if few else store.unverified_records()
    return loading.Run(str(store.path), records, store.predictions, verified=few)


def console(stderr: bool = False) -> Any:
    """As wide as the terminal; where there is none, wide enough for any table."""
    import sys

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 160, soft_wrap=not stream.isatty())


def noted(table: Table, *runs: Run) -> Table:
    """The table, with a note where the records of a run were taken on trust."""
    from dataclasses import replace

    return table if all(run.verified for run in runs) else replace(table, notes=(*table.notes, UNVERIFIED))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _suite(run: Run) -> str:
    if not run.records:
        raise BenchError(f"{run.name} has no records: run the suite first")
    return run.records[0].cell.suite
