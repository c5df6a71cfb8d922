"""What cells took on this machine: from their records in run folders, and from the history.

Seconds of another machine, of another device or of another number of threads are left out. Operations at the speed
that this machine itself is measured at tell more than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from bench.analysis.regression.history import Line, read_both, recipe_digest
from bench.contracts import BenchError, Cell
from bench.planning.machine_speed import NVIDIA, default_threads
from bench.planning.samples import kind_of
from bench.runs.folder import Store
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds
from bench.text import counted

ANY_GPU = ""
"""The device of a machine that uses a GPU whose name is not known."""


@dataclass(frozen=True)
class Place:
    """A machine, as far as seconds of cells depend on it. threads: of the CPU. device: that cells use, "cpu" or the
    GPU's name, or ANY_GPU."""

    processor: str
    threads: int
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For people."""
        on_cpu = self.device == "cpu"
        return f"{self.processor}, {counted(self.threads, 'thread') if on_cpu else self.device or 'GPU'}"

    def has(self, machine: Machine | None) -> bool:
        """Whether a record is of this machine and its device, and of as many threads if that is the CPU. GPUs are
        told apart only where the name is known."""
        if machine is None or machine.processor != self.processor:
            return False
        return self._uses(machine.device, machine.threads == self.threads)

    def has_line(self, line: Line) -> bool:
        """The same of a line of the history."""
        device, *parts = line.machine.split(" · ")
        return self.processor in parts and self._uses(device, f"{self.threads} threads" in parts)

    def _uses(self, device: str, same_threads: bool) -> bool:
        if device == "cpu":
            return self.device == "cpu" and same_threads
        return self.device in (ANY_GPU, device)


def this_machine(records: Iterable[Record] = (), device: str = "auto") -> Place:
    """This machine. records: of a run, which goes on with the device and as many threads as it last had here.
    device: as of `--device`; where it is not `auto`, it decides whether that is a GPU."""
    own = processor()
    ran = sorted(
        ((record.started, record.machine) for record in records if record.machine), key=itemgetter(0)
    )
    machines = [found for _, found in ran if found.processor == own]
    threads = [found.threads for found in machines if found.device == "cpu"]
    return Place(own, threads[-1] if threads else default_threads(), _device(device, machines))


def _device(asked: str, machines: Sequence[Machine]) -> str:
    """What a run uses (see Place). machines: of its earlier cells, the last one last."""
    if asked == "cpu":
        return asked
    if asked == "auto" and machines:
        return machines[-1].device
    if asked == "auto":
        return ANY_GPU if NVIDIA.exists() else "cpu"
    gpus = [found.device for found in machines if found.device != "cpu"]
    return gpus[-1] if gpus else ANY_GPU


def of_this_machine(records: Sequence[Record], device: str = "auto") -> list[Record]:
    """Those of a run's records whose seconds say what its cells take here (see this_machine)."""
    here = this_machine(records, device)
    return [record for record in records if here.has(record.machine)]


def name_of(machine: Machine) -> str:
    """Of the machine of a record, for people."""
    return Place(machine.processor, machine.threads, machine.device).name


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
