"""The cells that wait to be run, handed out one at a time, each under a claim on the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.contracts import Cell
from bench.executors.contract import Finished, Listener
from bench.locks import Claim
from bench.store import Store

Key = tuple[Any, ...]


def group_key(cell: Cell) -> Key:
    """Cells with equal keys share rows, weights and prefix."""
    return cell.task, cell.backbone, cell.recipe


@dataclass(frozen=True)
class Held:
    """A cell that this process has claimed."""

    cell: Cell
    claim: Claim

    def release(self) -> None:
        self.claim.release()


class Waiting:
    """What is left to run. A cell that another process runs is put aside and looked at again at the end: by then
    it is finished, or its owner has died."""

    def __init__(self, cells: Sequence[Cell], store: Store, finished: Finished, listener: Listener) -> None:
        self._groups: dict[Key, list[Cell]] = {}
        for cell in cells:
            self._groups.setdefault(group_key(cell), []).append(cell)
        self._elsewhere: list[Cell] = []
        self._store = store
        self._finished = finished
        self._listener = listener

    def largest_first(self) -> None:
        """Order the groups for several workers: the one that takes longest must not start last."""
        self._groups = dict(sorted(self._groups.items(), key=lambda item: -len(item[1])))

    @property
    def empty(self) -> bool:
        return not self._groups and not self._elsewhere

    def take(self, key: Key | None, taken: Sequence[Key] = ()) -> Held | None:
        """The next cell of group `key`, else of a group that is not in `taken`; None where none can be had now."""
        for group in [key, *(other for other in list(self._groups) if other not in taken)]:
            while group in self._groups:
                cell = self._pop(group)
                held = self._claimed(cell)
                if held:
                    return held
        for cell in list(self._elsewhere) if not self._groups else ():
            self._elsewhere.remove(cell)
            held = self._claimed(cell)
            if held:
                return held
        return None

    def _pop(self, group: Any) -> Cell:
        cell = self._groups[group].pop(0)
        if not self._groups[group]:
            del self._groups[group]
        return cell

    def _claimed(self, cell: Cell) -> Held | None:
        """The cell under a claim, or None where another process has it or has finished it meanwhile."""
        claim = self._store.claim(cell.id)
        if claim is None:
            self._elsewhere.append(cell)
            return None
        record = self._finished(cell)
        if record:
            claim.release()
            self._listener.cell_done(record)
            return None
        with suppress(OSError):
            self._store.log_path(cell.id).unlink(missing_ok=True)  # of an earlier run
        return Held(cell, claim)
