"""What cells took on this machine: from their records in run folders, and from the history.

Seconds of another machine, or of another number of threads, are left out. Operations at the speed that this machine
itself is measured at tell more than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.regression.history import Line, read_both, recipe_digest
from bench.contracts import BenchError, Cell
from bench.planning.machine_speed import NVIDIA, default_threads
from bench.planning.samples import kind_of
from bench.runs.folder import Store
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds
from bench.text import counted


@dataclass(frozen=True)
class Place:
    """A machine, as far as seconds of cells depend on it. threads: of the CPU."""

    processor: str
    threads: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.processor}, {counted(self.threads, 'thread')}"

    def has(self, machine: Machine | None) -> bool:
        """Whether a record is of this machine, and of as many threads if it ran on the CPU."""
        if machine is None or machine.processor != self.processor:
            return False
        return machine.device != "cpu" or machine.threads == self.threads

    def has_line(self, line: Line) -> bool:
        """The same of a line of the history. One of a CPU says nothing where a GPU is used, and the reverse."""
        device, *parts = line.machine.split(" · ")
        named = self.processor in parts and f"{self.threads} threads" in parts
        return named and (device == "cpu") != NVIDIA.exists()


def this_machine(records: Iterable[Record] = ()) -> Place:
    """This machine. records: of a run, which goes on with as many threads as it last had here."""
    own = processor()
    machines = ((record.started, record.machine) for record in records if record.machine)
    threads = [
        (started, found.threads)
        for started, found in machines
        if found.processor == own and found.device == "cpu"
    ]
    return Place(own, max(threads)[1] if threads else default_threads())


def name_of(machine: Machine) -> str:
    """Of the machine of a record, for people."""
    place = Place(machine.processor, machine.threads).name
    return place if machine.device == "cpu" else f"{place}, {machine.device}"


def in_folders(folder: Path) -> dict[Path, list[Record]]:
    """The readable records of a run and of those beside it, by run. Each file is read once; checksums are
    verified as in every look at a run."""
    found: dict[Path, list[Record]] = {}
    for run in sorted({folder, *(path.parent for path in folder.parent.glob("*/run.json"))}):
        with suppress(BenchError):  # a neighbour that holds links
            found[run] = Store(run).readable_records()
    return found


def in_history(folder: Path, cells: Iterable[Cell], here: Place) -> list[Record]:
    """Cold seconds of cells in the last completed run of their suite with their recipe here, as records.

    A cell that tries learning rates is left out: cold seconds do not hold the rates that were rejected."""
    try:
        lines = [line for line in reversed(read_both(folder.resolve().parent)) if here.has_line(line)]
    except BenchError:
        return []
    found = []
    for cell in {kind_of(cell): cell for cell in cells if not cell.recipe.tune}.values():
        seconds = _seconds(cell, lines)
        if seconds:
            took = Seconds(train=seconds, cold=seconds)
            found.append(Record(cell=cell, fingerprint="", status="done", seconds=took))
    return found


def _seconds(cell: Cell, lines: Sequence[Line]) -> float | None:
    """Those of the first of these lines that has the cell."""
    name = f"{cell.task}/{cell.strategy}/{cell.backbone}"
    recipe = recipe_digest(Record(cell=cell, fingerprint="", status="done"))
    for line in lines:
        measured = line.cells.get(name) if line.suite == cell.suite else None
        if measured and measured.seconds and measured.recipe == recipe:
            return measured.seconds
    return None
