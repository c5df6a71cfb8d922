"""The cells that wait to be run, handed out one job at a time, each cell under a lease on the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bench.contracts import Cell
from bench.executors.contract import Finished, Work
from bench.executors.groups import Groups, Key
from bench.runs.leases import Lease
from bench.runs.listeners import Listener


class Held:
    """A job for a worker: one cell, or several seeds of one that train together, each leased by this process. A
    cell leaves it when its record is there."""

    def __init__(self, leases: dict[Cell, Lease]) -> None:
        self._leases = dict(leases)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells without a record yet."""
        return tuple(self._leases)

    @property
    def cell(self) -> Cell:
        """The cell that the worker is at."""
        return next(iter(self._leases))

    def finish(self, cell: Cell) -> Cell | None:
        """Give back a cell that has its record; the next one, or None where the job is done."""
        self._leases.pop(cell).release()
        return next(iter(self._leases), None)

    def release(self) -> None:
        """Give back every cell that is left."""
        while self._leases:
            self._leases.popitem()[1].release()


class Waiting:
    """The cells left to run. A cell that another process runs is put aside and checked again at the end, when
    it is finished or its owner has died."""

    def __init__(self, cells: Sequence[Cell], work: Work, finished: Finished, listener: Listener) -> None:
        self._groups = Groups(cells, work.together, work.options.seeds_in_turn)
        self._elsewhere: list[Cell] = []
        self._store = work.store
        self._finished = finished
        self._listener = listener

    def largest_first(self) -> None:
        self._groups.largest_first()

    def __len__(self) -> int:
        return len(self._groups) + len(self._elsewhere)

    def take(self, key: Key | None, taken: Sequence[Key] = ()) -> Held | None:
        """The next job for a worker that has group `key` ready while others have `taken`; None where none can be
        had now."""
        while (group := self._groups.choose(key, taken)) is not None:
            held = self._leased(self._groups.pop_together(group))
            if held:
                return held
        for cell in list(self._elsewhere) if not self._groups else ():
            self._elsewhere.remove(cell)
            held = self._leased([cell])
            if held:
                return held
        return None

    def _leased(self, cells: Sequence[Cell]) -> Held | None:
        """The cells that can be leased and are not finished, as a job named by the first of them; None where none
        is left."""
        leases: dict[Cell, Lease] = {}
        for cell in cells:
            if lease := self._lease(cell, next(iter(leases), cell).id):
                leases[cell] = lease
        return Held(leases) if leases else None

    def _lease(self, cell: Cell, job: str) -> Lease | None:
        """A lease on the cell, or None where another process has it or has finished it meanwhile."""
        lease = self._store.lease(cell.id, job)
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
        return lease
