"""What `run` shows while it works: a filling grid on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bench.cli.grid import ProgressGrid, Running
from bench.contracts import Cell
from bench.planning.beside import Beside
from bench.planning.estimates import Estimator
from bench.planning.time_left import rest, seconds_left
from bench.runs import load
from bench.runs.curve import Point
from bench.runs.folder import Store
from bench.runs.load import load_per_core
from bench.runs.record import Record
from bench.text import counted, duration, printable

QUIET = 60.0  # seconds without a line, where there is no live display, after which a cell's progress is one
REFRESH = 4  # times a second
BUSY = 0.7
"""Runnable processes a core, over the last minute, from which a machine is busy where nothing else tells."""


def busy(since: load.Moment) -> str:
    """What a run says first where other work has had the cores since a moment; '' where none has."""
    others = load.between(since, load.with_children()).others
    if others is None and since.busy is not None:
        return ""  # too short a moment; the average would hold what this user ran just before
    if others is None:
        average = load_per_core()
        what = f"load {average:.1f} a core" if average > BUSY else ""
    else:
        what = f"other processes take {100 * others:.0f}% of its cores" if others > load.BUSY else ""
    return f"this machine is busy ({what}): the run takes longer than on an idle one" if what else ""


@dataclass
class _Flight:
    """A cell in flight. made: what it shares with others and need not make itself (`Estimator.makes`)."""

    cell: Cell
    began: float
    made: Collection[tuple[str, ...]]
    point: Point | None = None


class Display:
    """Hears what happens in a run and shows it on a rich console (a bench.runs.listeners.Screen).

    Live where the console is a terminal that can move its cursor; in a pipe, a dumb terminal and a notebook a line
    for each cell. store: the folder of the run, where other processes may run cells too; None: nobody else does."""

    def __init__(self, console: Any, store: Store | None = None) -> None:
        self._console = console
        self._store = store
        self._beside = Beside(store)
        self._lives = console.is_terminal and not console.is_dumb_terminal and not console.is_jupyter
        self._live: Any = None
        self._cells: list[Cell] = []
        self._records: dict[str, Record] = {}
        self._flights: dict[str, _Flight] = {}
        self._begun: set[tuple[str, ...]] = set()
        self._workers = 1
        self._estimator = Estimator()
        self._waiting_for = ""
        self._constructed: load.Moment | None = load.with_children()
        self._start = self._last_line = time.monotonic()

    def begin(
        self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator | None = None
    ) -> None:
        """The cells to run, and the records that are on disk already."""
        self._estimator = estimator or self._estimator
        self._cells = [*(record.cell for record in finished), *cells]
        self._records = {record.cell.id: record for record in finished}
        self._beside = Beside(self._store)
        self._start = time.monotonic()
        note = f"; {len(finished)} finished before" if finished else ""
        if cells and self._constructed:
            if found := busy(self._constructed):
                self._line(found)
            self._constructed = None  # of later rounds, the first ones would be a part of the load
        self._line(f"{counted(len(cells), 'cell')} to run{note}{self._left()}")
        if self._lives and cells:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                get_renderable=self._grid,
                refresh_per_second=REFRESH,
                transient=True,
                vertical_overflow="crop",
            )
            self._live.start()

    def end(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """What is being waited for now."""
        self._waiting_for = text
        if not self._live:
            self._line(text)

    def note(self, text: str) -> None:
        """A line that stays."""
        self._line(text)

    def cell_started(self, cell: Cell) -> None:
        makes = self._estimator.makes(cell)
        before = frozenset(part for part in makes if part in self._begun)
        self._flights[cell.id] = _Flight(cell, time.monotonic(), before)
        self._begun.update(makes)
        self._workers = max(self._workers, len(self._flights))

    def point(self, cell: Cell, point: Point) -> None:
        self._waiting_for = ""
        flight = self._flights.get(cell.id)
        if flight is None:
            return
        flight.point = point
        if not self._live and time.monotonic() - self._last_line > QUIET:
            self._line(f"{self._running(flight).text}{self._left()}")

    def cell_done(self, record: Record) -> None:
        flight = self._flights.pop(record.cell.id, None)
        if flight:
            group, _ = self._estimator.makes(flight.cell)
            wall = time.monotonic() - flight.began
            self._estimator.observe(record, wall, first=group not in flight.made)
        self._records[record.cell.id] = record
        self._waiting_for = ""
        changes = "".join(f" [{change}]" for change in record.adaptations)
        if record.status != "done":
            self._line(f"{record.cell.id}: {record.status}: {record.reason}{changes}", "red")
        elif not self._live:
            score = record.scores["test"][record.headline]
            text = f"{record.headline} {score:.3f}, {record.seconds.cold:.1f} s cold"
            self._line(f"{record.cell.id}: {text}{self._left()}{changes}")

    def _grid(self) -> ProgressGrid:
        flights = list(self._flights.values())
        return ProgressGrid(
            cells=self._cells,
            records=dict(self._records),
            running=[self._running(flight) for flight in flights],
            waiting_for=self._waiting_for,
            elapsed=time.monotonic() - self._start,
            left=self._seconds_left(),
        )

    def _running(self, flight: _Flight) -> Running:
        elapsed = time.monotonic() - flight.began
        return Running(flight.cell, elapsed, self._whole(flight), flight.point)

    def _whole(self, flight: _Flight) -> float:
        """The seconds that a cell in flight is expected to take."""
        return self._estimator.total([flight.cell], flight.made)

    def _seconds_left(self) -> float:
        """Cells not begun, and the rest of those in flight, by as many workers as there have been at once, and as
        many more as other processes have. Each takes the next cell when it is free."""
        flights = list(self._flights.values())
        known = {*self._records, *(flight.cell.id for flight in flights)}
        waiting = {cell.id: cell for cell in self._cells if cell.id not in known}
        others = self._beside.look(list(waiting))
        theirs = [
            _Flight(waiting[first], others.at - job.elapsed, self._estimator.makes(waiting[first]))
            for job in others.jobs
            if (first := next((cell for cell in job.cells if cell in waiting), None))
        ]
        flights += theirs
        begun = others.finished | {flight.cell.id for flight in theirs}
        later = sorted(  # by seed, in which a group is run
            (cell for cell in waiting.values() if cell.id not in begun), key=lambda cell: cell.seed
        )
        elsewhere = {self._estimator.makes(flight.cell)[1] for flight in theirs}
        seconds = self._estimator.each(later, self._begun | elsewhere)
        return seconds_left([self._rest(flight) for flight in flights], seconds, self._workers + len(theirs))

    def _rest(self, flight: _Flight) -> float:
        """The seconds that a cell in flight still takes."""
        return rest(self._whole(flight), time.monotonic() - flight.began)

    def _left(self) -> str:
        return (
            f", about {duration(self._seconds_left())} left" if len(self._records) < len(self._cells) else ""
        )

    def _line(self, text: str, style: str = "") -> None:
        """A line as it is: names come from data and plug-ins, so neither markup nor terminal escapes count."""
        self._last_line = time.monotonic()
        self._console.print(printable(text), style=style, highlight=False, markup=False)
