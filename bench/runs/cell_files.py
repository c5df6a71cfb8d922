"""A finished cell on its way from one run folder to another: its files as they are, checksums and all."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contracts import BenchError
from bench.runs import atomic_files
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
        """The files of a cell that has a record. Raises Damaged where they are not those that were written."""
        if store.verified(cell) is None:
            raise BenchError(f"{store.path} has no record of {cell}")
        predictions, log = store.predictions_path(cell), store.log_path(cell)
        return cls(
            cell=cell,
            record=store.record_path(cell).read_bytes(),
            predictions=predictions.read_bytes() if predictions.is_file() else None,
            log=log.read_bytes() if log.is_file() else None,
        )

    def unpack(self, store: Store) -> None:
        """Write the files, the record last. BenchError where the folder cannot be written."""
        atomic_files.remove(
            store.record_path(self.cell)
        )  # an older record never stands beside newer predictions
        for path, content in (
            (store.predictions_path(self.cell), self.predictions),
            (store.log_path(self.cell), self.log),
        ):
            if content is None:
                atomic_files.remove(path)
            else:
                atomic_files.write(path, content)
        atomic_files.write(store.record_path(self.cell), self.record)

    def remove(self, store: Store) -> None:
        """Delete the files from where they were packed."""
        for path in (
            store.record_path(self.cell),
            store.predictions_path(self.cell),
            store.log_path(self.cell),
        ):
            atomic_files.remove(path)
