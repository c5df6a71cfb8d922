"""How much each cell of a run computes, in work.json: operations as they were planned when the run began.

`status` scales the seconds of finished cells by them. The file also says which cells the last attempt runs again,
and those of attempts beside it: their old records look finished. A run without the file, or with one that is not
what was written, is told as if its cells were equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.runs import atomic_files, plain_files
from bench.runs.leases import exclusive
from bench.runs.plain_files import Irregular

NAME = "work.json"

Operations = tuple[float, float]
"""Of one cell, and those of its frozen prefix among them."""


class PlannedWork(BaseModel):
    """cells: operations by cell id without the seed. again: ids of cells that run again, each with the time (ns)
    of the record that it has until then."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cells: dict[str, Operations] = {}
    again: dict[str, int] = {}

    def of(self, cell: str) -> Operations:
        """The operations of the cell with this id; (0, 0) where they are not known."""
        return self.cells.get(_kind(cell), (0.0, 0.0))

    def covers(self, cell: str) -> bool:
        return _kind(cell) in self.cells


NOTHING = PlannedWork()


def add(folder: Path, cells: Mapping[str, Operations]) -> None:
    """Add the operations of cells, by id, to those on disk; nothing is written if nothing is new."""
    _add(
        folder, {_kind(cell): (_rounded(whole), _rounded(frozen)) for cell, (whole, frozen) in cells.items()}
    )


def note_again(folder: Path, records: Mapping[str, int]) -> None:
    """Note the cells that an attempt runs again, by id, and the times (ns) of their records. Those of an earlier
    attempt are forgotten."""
    _note_again(folder, lambda _: dict(records))


def note_more_again(folder: Path, records: Mapping[str, int]) -> None:
    """The same beside an attempt that still runs: its cells stay noted. Those that it has run have newer records,
    so they no longer count."""
    _note_again(folder, lambda known: {**known, **records})


def _note_again(folder: Path, noted: Callable[[Mapping[str, int]], dict[str, int]]) -> None:
    with exclusive(folder / ".lock"):
        known = read(folder)
        again = noted(known.again)
        if known.again != again:
            _write(folder, PlannedWork(cells=known.cells, again=again))


def copy(run: Path, folder: Path) -> None:
    """Add the operations that another run has on disk."""
    if found := read(run).cells:
        _add(folder, found)


def _add(folder: Path, new: Mapping[str, Operations]) -> None:
    with exclusive(folder / ".lock"):
        known = read(folder)
        found = PlannedWork(cells={**known.cells, **new}, again=known.again)
        if found != known:
            _write(folder, found)


def _write(folder: Path, work: PlannedWork) -> None:
    atomic_files.write(folder / NAME, work.model_dump_json(exclude_defaults=True).encode())


def read(folder: Path) -> PlannedWork:
    """The operations on disk; none where the file is missing or damaged."""
    try:
        found = PlannedWork.model_validate_json(plain_files.read(folder, folder / NAME))
    except (OSError, ValidationError, Irregular):
        return NOTHING
    sound = all(math.isfinite(each) and each >= 0 for pair in found.cells.values() for each in pair)
    return found if sound else NOTHING


def _kind(cell: str) -> str:
    return cell.rpartition("/")[0]


def _rounded(operations: float) -> float:
    """To four digits: a plan is not more exact, and the file stays small."""
    return float(f"{operations:.3e}")
