"""A run folder. Every write is whole or absent, and every file that holds results carries a checksum. Checksums
find rot, not forgery: whoever can write a record can write its checksum too.

run.json                      the cells that the run consists of
records/<cell id>.json        a Record, and the SHA-256 of itself and of its prediction file
predictions/<cell id>.parquet per-example columns, with page checksums
logs/<cell id>.log            what a cell printed; the traceback where it failed
claims/<cell id>              the lease: which process runs the cell now
quarantine/                   damaged files

A folder may come from a stranger: names are checked where they are read, and links, FIFOs and devices are refused.
Reading it imports no torch, so that `table` and `compare` start at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.runs import atomic_files, collection, plain_files
from bench.runs.leases import Lease, Owner, exclusive, lease, owner_of
from bench.runs.names import is_cell_id, is_name
from bench.runs.plain_files import Irregular
from bench.runs.record import Record
from bench.runs.sealing import CHECKSUM, Damaged, opened, predictions_sum, sealed, unverified

__all__ = ["CHECKSUM", "MANY", "Damaged", "Store", "open_run"]

if TYPE_CHECKING:
    import pyarrow

RUNS = Path("results/runs")
FOLDERS = ("records", "predictions", "logs", "claims")
MANY = 2000
"""Records above which commands that only look at a run do not verify checksums."""
MOST_VALUES = 200_000_000
"""Of a prediction file that is read."""


@dataclass(frozen=True)
class Store:
    """The files of one run. _sums: by cell, the SHA-256 of the predictions that its record, as it was last read,
    was written with; a prediction file that has it needs no second look at the record."""

    path: Path
    _sums: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def records(self) -> list[Record]:
        """All records, in the order of the run's plan; raises Damaged for the first damaged one."""
        return self._in_order(lambda path: self._sealed(path)[0])

    def unverified_records(self) -> list[Record]:
        """As `records`, several times as fast: checksums are not verified."""
        return self._in_order(self._unverified)

    def seen_records(self) -> list[Record]:
        """The records for commands that only look at a run: verified if there are at most MANY."""
        return self.records() if len(self.planned()) <= MANY else self.unverified_records()

    def readable_records(self) -> list[Record]:
        """As `seen_records`, without those that cannot be read, in the order of their files."""
        files = self.record_files()
        read = self._unverified if len(files) > MANY else lambda path: self._sealed(path)[0]
        found = []
        with collection.paused():  # no record is garbage, and collecting takes a third of the time
            for path in files:
                with suppress(BenchError):
                    found.append(read(path))
        return found

    def record(self, cell: str) -> Record | None:
        """The record of one cell, or None where it has not run. Raises Damaged."""
        path = self.record_path(cell)
        return self._sealed(path)[0] if self._is_file(path) else None

    def planned(self) -> list[str]:
        """The ids of the planned cells; empty if the run has not begun. Raises Damaged."""
        return list(self._plan().get("cells", ()))

    def suite(self) -> str:
        """The name of the suite. Raises Damaged."""
        return str(self._plan().get("suite", ""))

    def grid(self) -> list[str]:
        """The ids of all cells of the suite that this run is a part of, in order. Raises Damaged."""
        plan = self._plan()
        return list(dict.fromkeys([*plan.get("grid", ()), *plan.get("cells", ())]))

    def predictions(self, cell: str) -> pyarrow.Table:
        """The per-example columns of one cell, with `split` and `id`. Raises Damaged where they are missing or
        not those that the record was written with."""
        import pyarrow.parquet

        content = pyarrow.BufferReader(self._checked_predictions(cell))
        try:
            file = pyarrow.parquet.ParquetFile(content, page_checksum_verification=True)
            values = file.metadata.num_rows * file.metadata.num_columns
            if values > MOST_VALUES:  # a kilobyte can say billions
                raise Damaged(self.predictions_path(cell), f"it has more than {MOST_VALUES:,} values")
            return file.read(use_threads=False)  # threads slow down the reading of a file this small
        except (OSError, pyarrow.ArrowException) as error:
            raise Damaged(self.predictions_path(cell), "not a readable Parquet file") from error

    def sealed_sum(self, cell: str) -> str:
        """As `stated_sum`, of the record as it is now, which is verified. Raises Damaged."""
        path = self.record_path(cell)
        return self._sealed(path)[1] if self._is_file(path) else ""

    def stated_sum(self, cell: str) -> str:
        """The SHA-256 of a cell's predictions by its record as it was last read; '' where there is none."""
        return self._sums.get(cell, "")

    def check_predictions(self, cell: str) -> None:
        """Raises Damaged where the predictions of a cell are missing or not those of its record."""
        self._checked_predictions(cell)

    def begin(self, suite: str, cells: Iterable[str], grid: Iterable[str] = ()) -> None:
        """Write the plan; cells of earlier calls stay in it. grid: all cells of the suite, in order, if the run
        covers only a part of them. Raises Damaged."""
        with exclusive(self.path / ".lock"):
            for name in FOLDERS:  # processes that write logs and leases find plain folders
                self._files(name)
            plan = self._plan()
            planned = list(dict.fromkeys([*plan.get("cells", ()), *cells]))
            grid = list(dict.fromkeys([*plan.get("grid", ()), *grid]))
            content = json.dumps({"suite": suite, "cells": planned, "grid": grid}, indent=1)
            atomic_files.write(self.path / "run.json", content.encode())

    def save(self, record: Record, tests: Mapping[str, Mapping[str, Sequence[Any]]] | None = None) -> None:
        """Write the predictions of a cell, then its record: a record never lacks its predictions.

        tests: the columns of each test set, `id` among them."""
        path = self.record_path(record.cell.id)
        predictions = ""
        if tests:
            content = _parquet(tests)
            predictions = hashlib.sha256(content).hexdigest()
            self.remove(path)  # an older record never stands beside newer predictions
            self.write(self.predictions_path(record.cell.id), content)
        self.write(path, sealed(record, predictions))

    def read(self, path: Path) -> bytes:
        """The content of a file of the run. Raises Damaged where it is no plain file, and OSError."""
        with _damaged():
            return plain_files.read(self.path, path)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of the run as a whole. Raises BenchError on failure."""
        atomic_files.write(self._inside(path), content)

    def remove(self, path: Path) -> None:
        """Delete a file of the run where there is one. Raises BenchError on failure."""
        atomic_files.remove(self._inside(path))

    def verified(self, cell: str) -> Record | None:
        """As `record`, with its prediction file verified too. Raises Damaged."""
        record = self.record(cell)
        if record and self.stated_sum(cell):  # as `record` has just read it
            self._checked_predictions(cell)
        return record

    def quarantine(self, path: Path) -> Path:
        """Move a damaged file to `quarantine/`, never over an earlier one; returns its new path. A link is moved
        itself, not its target. Raises BenchError."""
        within = self._inside(path).relative_to(self.path)
        target = self._inside(self.path / "quarantine" / within)
        number = 1
        while os.path.lexists(target):
            number += 1
            target = self.path / "quarantine" / within.with_name(f"{within.name}.{number}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        except OSError as error:
            raise BenchError(
                f"{path} cannot be moved to {target} ({error.strerror}): correct the permissions",
                code="cannot-move",
            ) from error
        return target

    def lease(self, cell: str, job: str = "") -> Lease | None:
        """The right to run a cell, or None where another living process has it. job: the same for all cells that
        one worker runs together."""
        return lease(self._inside(self.path / "claims" / cell), job)

    def running(self) -> dict[str, Owner]:
        """The cells in flight in living processes, and whose they are."""
        folder = self.path / "claims"
        found = ((path, owner_of(path)) for path in self._files("claims"))
        return {path.relative_to(folder).as_posix(): owner for path, owner in found if owner}

    def record_path(self, cell: str) -> Path:
        return Path(
            f"{os.fspath(self.path)}/records/{cell}.json"
        )  # a third of the time of joining three parts

    def predictions_path(self, cell: str) -> Path:
        return Path(f"{os.fspath(self.path)}/predictions/{cell}.parquet")

    def log_path(self, cell: str) -> Path:
        return self.path / "logs" / f"{cell}.log"

    def record_files(self) -> list[Path]:
        """The files that hold records, sorted. Raises Damaged if anything else than files and folders is among
        them."""
        return [path for path in self._files("records") if path.suffix == ".json" and path.name[0] != "."]

    def cell_of(self, path: Path) -> str:
        """The id of the cell whose record is at `path`."""
        return path.as_posix()[self._before_cell :].removesuffix(".json")

    @cached_property
    def _before_cell(self) -> int:
        """Letters of a record's path before the id of its cell."""
        return len((self.path / "records").as_posix()) + 1

    def _files(self, name: str) -> list[Path]:
        files, irregular = plain_files.scan(self.path / name)
        for found in irregular:
            raise Damaged(found.path, found.reason)
        return files

    def _is_file(self, path: Path) -> bool:
        with _damaged():
            return plain_files.exists(self.path, path)

    def _inside(self, path: Path) -> Path:
        with _damaged():
            return plain_files.inside(self.path, path)

    def _plan(self) -> dict[str, Any]:
        """What run.json says: suite, cells and grid; empty where the run has not begun. Raises Damaged."""
        path = self.path / "run.json"
        if not self._is_file(path):
            return {}
        content = self._content(path)
        try:
            note = json.loads(content.decode())
            plan = {
                "suite": note["suite"],
                "cells": list(note["cells"]),
                "grid": list(note.get("grid") or ()),
            }
            cells = [*plan["cells"], *plan["grid"]]
            odd = [name for name in cells if not (isinstance(name, str) and is_cell_id(name))]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(path, "not the JSON that was written") from error
        if odd:
            raise Damaged(path, f"{str(odd[0])[:80]!r} is no cell: task/strategy/backbone/seed")
        if not isinstance(plan["suite"], str) or not is_name(plan["suite"]):
            raise Damaged(path, f"{str(plan['suite'])[:80]!r} cannot name a suite")
        return plan

    def _content(self, path: Path, read: Callable[[Path], bytes] | None = None) -> bytes:
        try:
            with _damaged():
                return read(path) if read else plain_files.read(self.path, path)
        except OSError as error:
            raise BenchError(
                f"{path} cannot be read ({error.strerror}): correct its permissions", code="cannot-read"
            ) from error

    def _in_order(self, read: Callable[[Path], Record]) -> list[Record]:
        """Every record, by the function that reads one, in the order of the plan."""
        with collection.paused():
            by_id = {record.cell.id: record for record in map(read, self.record_files())}
            order = {cell: number for number, cell in enumerate(self.planned())}
        return sorted(by_id.values(), key=lambda record: order.get(record.cell.id, len(order)))

    def _unverified(self, path: Path) -> Record:
        """The record at a path from `record_files`, whose folders were looked at."""
        found = unverified(self._content(path, plain_files.read_in_plain_folder), path)
        if not found or self.cell_of(path) != found[0].cell.id:
            return self._sealed(path)[0]
        self._sums[found[0].cell.id] = found[1]
        return found[0]

    def _sealed(self, path: Path) -> tuple[Record, str]:
        """The record at `path` and the SHA-256 of its predictions ('' where it has none). Raises Damaged, and
        BenchError where a newer version wrote it."""
        record, predictions = opened(self._content(path), path)
        if self.cell_of(path) != record.cell.id:
            raise Damaged(path, f"it holds the record of {record.cell.id}")
        self._sums[record.cell.id] = predictions
        return record, predictions

    def _checked_predictions(self, cell: str) -> bytes:
        path = self.predictions_path(cell)
        try:
            content = self.read(path)
        except OSError as error:
            raise Damaged(path, error.strerror or "unreadable") from error
        found = hashlib.sha256(content).hexdigest()
        if found == self._sums.get(cell):
            return content
        record = self.record_path(cell)
        if not self._is_file(record) or found == predictions_sum(self._content(record)):
            return content
        if found != self._sealed(record)[1] != "":
            raise Damaged(path, "its checksum is not the one in its record")
        return content


def open_run(path: Path) -> Store:
    """The run at this path, or the one of this name under results/runs; BenchError where there is none."""
    for candidate in (path, RUNS / path):
        with suppress(OSError, ValueError):  # a path that no file can have
            if os.path.lexists(candidate / "run.json"):
                return Store(candidate)
    near = difflib.get_close_matches(path.name, known_runs(), n=1)
    kept = Path("results", "baselines", f"{path.name}.jsonl")
    near = [str(kept)] if not near and kept.is_file() else near
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise BenchError(
        f"{str(path)[:300]} is not a run folder (no run.json): {hint}make one with `python -m bench run SUITE`",
        code="no-run",
    )


def known_runs() -> list[str]:
    """The names of the runs under results/runs."""
    return sorted(path.parent.name for path in RUNS.glob("*/run.json"))


@contextmanager
def _damaged() -> Iterator[None]:
    """Raise Damaged where anything but a plain file or folder is found."""
    try:
        yield
    except Irregular as error:
        raise Damaged(error.path, error.reason) from error


def _parquet(tests: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    parts = []
    for name, columns in tests.items():
        rows = len(columns["id"])
        parts.append(pyarrow.table({"split": [name] * rows, **{key: list(v) for key, v in columns.items()}}))
    buffer = io.BytesIO()
    table = pyarrow.concat_tables(parts)
    pyarrow.parquet.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()
