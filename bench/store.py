"""A run folder: `run.json`, `records/<cell id>.json`, `predictions/<cell id>.parquet`. Every write is atomic.

Reading it imports no torch, so that `table` and `compare` start at once.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.record import Record, read_record

if TYPE_CHECKING:
    import pyarrow

RUNS = Path("results/runs")


@dataclass(frozen=True)
class Store:
    """The files of one run."""

    path: Path

    def records(self) -> list[Record]:
        """All records, in the order of the run's plan; BenchError names a damaged file."""
        by_id = {}
        for path in sorted((self.path / "records").rglob("*.json")):
            record = read_record(_read(path), str(path))
            by_id[record.cell.id] = record
        order = {cell: number for number, cell in enumerate(self.planned())}
        return sorted(by_id.values(), key=lambda record: order.get(record.cell.id, len(order)))

    def record(self, cell: str) -> Record | None:
        """The record of one cell, or None where it has not run."""
        path = self._record(cell)
        return read_record(_read(path), str(path)) if path.is_file() else None

    def planned(self) -> list[str]:
        """The ids of the cells that the run is to have; empty where it has not begun."""
        path = self.path / "run.json"
        if not path.is_file():
            return []
        try:
            return list(json.loads(_read(path))["cells"])
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{path} is damaged: delete it and run the suite again") from error

    def predictions(self, cell: str) -> pyarrow.Table:
        """The per-example columns of one cell, with `split` and `id`; BenchError where they are missing."""
        import pyarrow.parquet

        path = self._predictions(cell)
        try:
            return pyarrow.parquet.read_table(path, partitioning=None)
        except (OSError, pyarrow.ArrowException) as error:
            raise BenchError(f"{path} is missing or damaged: run the suite again with --fresh") from error

    def begin(self, suite: str, cells: Iterable[str]) -> None:
        """Note what the run is to have; cells of earlier calls stay in the plan."""
        planned = list(dict.fromkeys([*self.planned(), *cells]))
        self._write(self.path / "run.json", json.dumps({"suite": suite, "cells": planned}, indent=1).encode())

    def save(self, record: Record, tests: Mapping[str, Mapping[str, Sequence[Any]]] | None = None) -> None:
        """Write the predictions of a cell, then its record: a record never lacks its predictions.

        tests: the columns of each test set, `id` among them."""
        if tests:
            self._write(self._predictions(record.cell.id), _parquet(tests))
        self._write(self._record(record.cell.id), record.to_json().encode())

    def start(self, cell: str) -> None:
        """Say which cell is in flight."""
        value = {"cell": cell, "pid": os.getpid()}
        self._write(self.path / "running.json", json.dumps(value).encode())

    def stop(self) -> None:
        (self.path / "running.json").unlink(missing_ok=True)

    def running(self) -> str | None:
        """The cell in flight, or None where no living process runs one."""
        import psutil

        path = self.path / "running.json"
        try:
            value = json.loads(_read(path)) if path.is_file() else {}
        except ValueError:
            return None
        return value.get("cell") if psutil.pid_exists(value.get("pid", -1)) else None

    def _record(self, cell: str) -> Path:
        return self.path / "records" / f"{cell}.json"

    def _predictions(self, cell: str) -> Path:
        return self.path / "predictions" / f"{cell}.parquet"

    def _write(self, path: Path, content: bytes) -> None:
        def write(target: Path) -> None:
            with target.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

        _atomically(path, write)


def open_run(path: Path) -> Store:
    """The run at this path, or the one of this name under results/runs; BenchError where there is none."""
    for candidate in (path, RUNS / path):
        if (candidate / "run.json").is_file():
            return Store(candidate)
    raise BenchError(f"{path} is not a run folder (no run.json): make one with `python -m bench run SUITE`")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} cannot be read: {error}") from error


def _atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside `path`, then rename: a reader sees the old file or the new one, never a part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(number)
        try:
            write(Path(name))
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise BenchError(f"{path} cannot be written ({error.strerror}): make room or choose --out") from error


def _parquet(tests: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    parts = []
    for name, columns in tests.items():
        rows = len(columns["id"])
        parts.append(pyarrow.table({"split": [name] * rows, **{key: list(v) for key, v in columns.items()}}))
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.concat_tables(parts), buffer, compression="zstd")
    return buffer.getvalue()
