"""The files of a finished cell, unchanged, for copying from one run folder to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError
from bench.runs.folder import Store


@dataclass(frozen=True)
class CellFiles:
    """The files of one cell; None where it has no such file."""

    cell: str
    record: bytes
    predictions: bytes | None
    log: bytes | None

    @classmethod
    def pack(cls, store: Store, cell: str) -> CellFiles:
        """The files of a cell that has a record. Raises Damaged if a checksum differs."""
        if store.verified(cell) is None:
            raise BenchError(f"{store.path} has no record of {cell}: run the suite", code="no-record")
        return cls(
            cell=cell,
            record=store.read(store.record_path(cell)),
            predictions=_read(store, store.predictions_path(cell)),
            log=_read(store, store.log_path(cell)),
        )

    def unpack(self, store: Store) -> None:
        """Write the files, the record last. BenchError where the folder cannot be written."""
        store.remove(store.record_path(self.cell))  # an older record never stands beside newer predictions
        for path, content in (
            (store.predictions_path(self.cell), self.predictions),
            (store.log_path(self.cell), self.log),
        ):
            if content is None:
                store.remove(path)
            else:
                store.write(path, content)
        store.write(store.record_path(self.cell), self.record)

    def remove(self, store: Store) -> None:
        """Delete the files from where they were packed."""
        for path in (
            store.record_path(self.cell),
            store.predictions_path(self.cell),
            store.log_path(self.cell),
        ):
            store.remove(path)


def _read(store: Store, path: Path) -> bytes | None:
    try:
        return store.read(path)
    except FileNotFoundError:
        return None
