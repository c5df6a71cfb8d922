"""What `run` shows while it works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.formats import printable
from bench.contracts import Cell
from bench.progress import duration, remaining_seconds
from bench.record import Point, Record


class Display:
    """Hears what happens in a run and shows it on a rich console (a bench.executors.contract.Listener)."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self._live: Any = None
        self._bar: Any = None
        self._task: Any = None
        self._cells: list[str] = []
        self._records: list[Record] = []

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record]) -> None:
        """The cells to run, and the records that are on disk already."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._cells = [cell.id for cell in cells]
        self._records = list(finished)
        note = f"; {len(finished)} finished before" if finished else ""
        self._console.print(f"{len(cells)} cells to run{note}")
        if self._console.is_terminal:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
            )
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=len(cells))

    def end(self) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A wait that has no bar of its own."""
        if self._bar:
            self._describe(text)
        else:
            self._line(text)

    def cell_started(self, cell: Cell) -> None:
        self._describe(cell.id)

    def point(self, cell: Cell, point: Point) -> None:
        score = f"epoch {point.epoch:.1f}, validation {point.score:.3f}"
        self._describe(f"{cell.id}: {score}{self._left()}")

    def cell_done(self, record: Record) -> None:
        if record.cell.id in self._cells:
            self._cells.remove(record.cell.id)
        self._records.append(record)
        if self._bar:
            self._bar.advance(self._task)
        if record.status == "done":
            score = record.scores["test"][record.headline]
            text = f"{record.headline} {score:.3f}, {record.seconds.cold:.1f} s cold"
            self._line(f"{record.cell.id}: {text}{self._left()}{_changes(record)}")
        else:
            self._line(f"{record.cell.id}: {record.status}: {record.reason}{_changes(record)}", "red")

    def _describe(self, text: str) -> None:
        if self._bar:
            self._bar.update(self._task, description=printable(text))

    def _line(self, text: str, style: str = "") -> None:
        """A line as it is: names come from data and plug-ins, so neither markup nor terminal escapes count."""
        self._console.print(printable(text), style=style, highlight=False, markup=False)

    def _left(self) -> str:
        seconds = remaining_seconds(self._cells, self._records)
        return f", about {duration(seconds)} left" if self._cells and seconds is not None else ""


def _changes(record: Record) -> str:
    return "".join(f" [{change}]" for change in record.adaptations)
