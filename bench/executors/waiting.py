"""The cells that wait to be run, handed out one at a time, each under a claim on the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.contracts import Cell
from bench.executors.contract import Finished
from bench.executors.groups import Groups, Key
from bench.runs.folder import Store
from bench.runs.leases import Lease
from bench.runs.listeners import Listener


@dataclass(frozen=True)
class Held:
    """A cell that this process has claimed."""

    cell: Cell
    lease: Lease

    def release(self) -> None:
        self.lease.release()


class Waiting:
    """What is left to run. A cell that another process runs is put aside and looked at again at the end: by then
    it is finished, or its owner has died."""

    def __init__(self, cells: Sequence[Cell], store: Store, finished: Finished, listener: Listener) -> None:
        self._groups = Groups(cells)
        self._elsewhere: list[Cell] = []
        self._store = store
        self._finished = finished
        self._listener = listener

    def largest_first(self) -> None:
        self._groups.largest_first()

    def __len__(self) -> int:
        return len(self._groups) + len(self._elsewhere)

    def take(self, key: Key | None, taken: Sequence[Key] = ()) -> Held | None:
        """The next cell for a worker that has group `key` ready while others have `taken`; None where none can
        be had now."""
        while (group := self._groups.choose(key, taken)) is not None:
            held = self._claimed(self._groups.pop(group))
            if held:
                return held
        for cell in list(self._elsewhere) if not self._groups else ():
            self._elsewhere.remove(cell)
            held = self._claimed(cell)
            if held:
                return held
        return None

    def _claimed(self, cell: Cell) -> Held | None:
        """The cell under a claim, or None where another process has it or has finished it meanwhile."""
        lease = self._store.lease(cell.id)
        if lease is None:
            self._elsewhere.append(cell)
            return None
        record = self._finished(cell)
        if record:
            lease.release()
            self._listener.cell_done(record)
            return None
        with suppress(OSError):
            self._store.log_path(cell.id).unlink(missing_ok=True)  # of an earlier run
        return Held(cell, lease)
