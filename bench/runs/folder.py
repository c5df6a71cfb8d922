"""A run folder. Every write is whole or absent, and every file that holds results carries a checksum.

run.json                      what the run is to have
records/<cell id>.json        a Record, and the SHA-256 of itself and of its prediction file
predictions/<cell id>.parquet per-example columns, with page checksums
logs/<cell id>.log            what a cell printed; the traceback where it failed
claims/<cell id>              which process runs the cell now
quarantine/                   damaged files that were set aside

Reading it imports no torch, so that `table` and `compare` start at once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.runs import atomic_files
from bench.runs.leases import Lease, exclusive, lease, owner_of
from bench.runs.record import SCHEMA_VERSION, Record, read_record

if TYPE_CHECKING:
    import pyarrow

RUNS = Path("results/runs")
CHECKSUM = "checksum"  # in a stored record: "record", a SHA-256 of all else, and "predictions", of that file


class Damaged(BenchError):
    """A file of a run folder that is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path} is damaged ({reason}): set it aside with `python -m bench status RUN --check --repair`; "
            "the next run of the suite makes it anew"
        )


class _Stored(Record):
    """A record as it lies in its file."""

    checksum: Any = None


@dataclass(frozen=True)
class Store:
    """The files of one run."""

    path: Path

    def records(self) -> list[Record]:
        """All records, in the order of the run's plan; raises Damaged for the first that is."""
        return self._in_order(self._sealed(path)[0] for path in self.record_files())

    def unverified_records(self) -> list[Record]:
        """As `records`, several times as fast: what is not a record is found, what is another record than was
        written is not."""
        return self._in_order(map(self._unverified, self.record_files()))

    def record(self, cell: str) -> Record | None:
        """The record of one cell, or None where it has not run. Raises Damaged."""
        path = self.record_path(cell)
        return self._sealed(path)[0] if path.is_file() else None

    def planned(self) -> list[str]:
        """The ids of the cells that the run is to have; empty where it has not begun. Raises Damaged."""
        return self._plan("cells")

    def suite(self) -> str:
        """The name of the suite. Raises Damaged."""
        return str(self._note().get("suite", ""))

    def grid(self) -> list[str]:
        """The ids of all cells of the suite that this run is a part of, in order. Raises Damaged."""
        return list(dict.fromkeys([*self._plan("grid"), *self.planned()]))

    def predictions(self, cell: str) -> pyarrow.Table:
        """The per-example columns of one cell, with `split` and `id`. Raises Damaged where they are missing or
        not those that the record was written with."""
        import pyarrow.parquet

        path = self.predictions_path(cell)
        content = pyarrow.BufferReader(self._checked_predictions(cell))
        try:
            return pyarrow.parquet.ParquetFile(content, page_checksum_verification=True).read()
        except (OSError, pyarrow.ArrowException) as error:
            raise Damaged(path, "not a readable Parquet file") from error

    def begin(self, suite: str, cells: Iterable[str], grid: Iterable[str] = ()) -> None:
        """Note what the run is to have; cells of earlier calls stay in the plan. grid: of a part of a suite, all
        cells of the suite, in order."""
        with exclusive(self.path / ".lock"):
            planned = list(dict.fromkeys([*self.planned(), *cells]))
            grid = list(dict.fromkeys([*self._plan("grid"), *grid]))
            content = json.dumps({"suite": suite, "cells": planned, "grid": grid}, indent=1)
            atomic_files.write(self.path / "run.json", content.encode())

    def save(self, record: Record, tests: Mapping[str, Mapping[str, Sequence[Any]]] | None = None) -> None:
        """Write the predictions of a cell, then its record: a record never lacks its predictions.

        tests: the columns of each test set, `id` among them."""
        path = self.record_path(record.cell.id)
        sums = {"record": "", "predictions": ""}
        if tests:
            content = _parquet(tests)
            sums["predictions"] = hashlib.sha256(content).hexdigest()
            atomic_files.remove(path)  # an older record never stands beside newer predictions
            atomic_files.write(self.predictions_path(record.cell.id), content)
        value = json.loads(record.to_json())
        sums["record"] = _digest([value, sums["predictions"]])
        atomic_files.write(path, json.dumps({**value, CHECKSUM: sums}, indent=1, ensure_ascii=False).encode())

    def verified(self, cell: str) -> Record | None:
        """As `record`, and its prediction file is there and is the one that was written. Raises Damaged."""
        record = self.record(cell)
        if record and self._sealed(self.record_path(cell))[1]:
            self._checked_predictions(cell)
        return record

    def quarantine(self, path: Path) -> Path:
        """Move a damaged file to `quarantine/`, never over an earlier one; gives its new place. BenchError."""
        within = path.relative_to(self.path)
        target = self.path / "quarantine" / within
        number = 1
        while target.exists():
            number += 1
            target = self.path / "quarantine" / within.with_name(f"{within.name}.{number}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        except OSError as error:
            raise BenchError(f"{path} cannot be moved to {target} ({error.strerror})") from error
        return target

    def lease(self, cell: str) -> Lease | None:
        """The right to run a cell, or None where another living process has it."""
        return lease(self.path / "claims" / cell)

    def running(self) -> list[str]:
        """The cells in flight in living processes."""
        folder = self.path / "claims"
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [path.relative_to(folder).as_posix() for path in files if owner_of(path)]

    def record_path(self, cell: str) -> Path:
        return self.path / "records" / f"{cell}.json"

    def predictions_path(self, cell: str) -> Path:
        return self.path / "predictions" / f"{cell}.parquet"

    def log_path(self, cell: str) -> Path:
        return self.path / "logs" / f"{cell}.log"

    def record_files(self) -> Iterator[Path]:
        yield from sorted((self.path / "records").rglob("*.json"))

    def _plan(self, key: str) -> list[str]:
        return [str(cell) for cell in self._note().get(key) or ()]

    def _note(self) -> dict[str, Any]:
        """What run.json says; empty where the run has not begun. Raises Damaged."""
        path = self.path / "run.json"
        if not path.is_file():
            return {}
        text = _read(path)
        try:
            note = json.loads(text)
            return {
                "suite": str(note["suite"]),
                "cells": list(note["cells"]),
                "grid": list(note.get("grid", ())),
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(path, "not the JSON that was written") from error

    def _in_order(self, records: Iterable[Record]) -> list[Record]:
        by_id = {record.cell.id: record for record in records}
        order = {cell: number for number, cell in enumerate(self.planned())}
        return sorted(by_id.values(), key=lambda record: order.get(record.cell.id, len(order)))

    def _unverified(self, path: Path) -> Record:
        try:
            found = _Stored.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return self._sealed(path)[0]
        whole = found.schema_version == SCHEMA_VERSION and self.record_path(found.cell.id) == path
        return found if whole else self._sealed(path)[0]

    def _checked_predictions(self, cell: str) -> bytes:
        path = self.predictions_path(cell)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Damaged(path, error.strerror or "unreadable") from error
        record = self.record_path(cell)
        expected = self._sealed(record)[1] if record.is_file() else ""
        if expected and hashlib.sha256(content).hexdigest() != expected:
            raise Damaged(path, "its checksum is not the one in its record")
        return content

    def _sealed(self, path: Path) -> tuple[Record, str]:
        """The record at `path` and the SHA-256 of its predictions ('' where it has none). Raises Damaged, and
        BenchError where a newer version wrote it."""
        text = _read(path)
        try:
            value = json.loads(text)
            sums = value.pop(CHECKSUM, None)
            version = value["schema_version"]
            sound = sums is None or sums["record"] == _digest([value, sums["predictions"]])
            predictions = str(sums["predictions"]) if sums else ""
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(path, "not the JSON that was written") from error
        if isinstance(version, int) and version > SCHEMA_VERSION:
            return read_record(json.dumps(value), str(path)), predictions
        if not sound:
            raise Damaged(path, "its checksum is not that of its content")
        try:
            record = read_record(json.dumps(value), str(path))
        except BenchError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            if sums is None:
                raise Damaged(path, reason) from error
            raise BenchError(  # the checksum says that it is what was written
                f"{path} was written by another version of this program ({reason}): use that version, or run into "
                "another folder with --out"
            ) from error
        if self.record_path(record.cell.id) != path:
            raise Damaged(path, f"it holds the record of {record.cell.id}")
        return record, predictions


def open_run(path: Path) -> Store:
    """The run at this path, or the one of this name under results/runs; BenchError where there is none."""
    for candidate in (path, RUNS / path):
        if (candidate / "run.json").is_file():
            return Store(candidate)
    raise BenchError(f"{path} is not a run folder (no run.json): make one with `python -m bench run SUITE`")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(path, "not text") from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}): correct its permissions") from error


def _digest(value: Any) -> str:
    """The SHA-256 of a JSON value, whatever its layout in the file."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


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
