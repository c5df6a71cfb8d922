"""How commands print: tables, to the terminal or into a file, and what is said at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import Format
from bench.contracts import BenchError

if TYPE_CHECKING:
    from bench.analysis.tables.model import Table


def show(table: Table, format: Format) -> None:
    """Print a table."""
    if format is Format.terminal:
        from bench.analysis.tables import terminal

        console().print(terminal.show(table), crop=False)  # a column may be wider than the terminal
        return
    from bench.analysis.tables.formats import render

    print(render(table, format.value), end="")


def put(table: Table, path: Path, mark: str = "table") -> None:
    """Replace what stands between the marks of a file by the table in Markdown. BenchError where it has none."""
    from bench.analysis.tables.formats import render
    from bench.runs import atomic_files

    try:
        if path.exists() and not path.is_file():
            raise BenchError(f"--into {path}: not a regular file", code="cannot-read")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"--into {path} cannot be read: {error}", code="cannot-read") from error
    before, start, rest = text.partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- /{mark} -->")
    if not start or not end:
        raise BenchError(
            f"--into {path}: it has no lines <!-- {mark} --> and <!-- /{mark} -->; add them",
            code="into-without-marks",
        )
    atomic_files.write(path, (before + start + render(table, "md") + end + after).encode())


def print_scores(run: Path) -> None:
    """The table of scores, for the end of `run`."""
    from bench.analysis.opening import open_source
    from bench.analysis.tables.build import TableOptions, build

    source = open_source(str(run))
    show(build(source.records, source.predictions, TableOptions(planned=source.planned)), Format.terminal)


def note_completed(folder: Path, begun: str) -> None:
    """Add a run to the history in its `runs` folder where all its cells are finished, one of them since
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
    try:
        history.append(records, runs / history.NAME)
    except BenchError as error:
        print(f"warning: {error}: this run is not in the history", file=sys.stderr)


def console(stderr: bool = False) -> Any:
    """As wide as the terminal; where there is none, wide enough for any table."""
    import sys

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 160, soft_wrap=not stream.isatty())
