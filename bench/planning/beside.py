"""What other processes do meanwhile with the cells of a run, where several `run`s share its folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.contracts import BenchError
from bench.planning.progress import Job, jobs_of
from bench.runs.folder import Store

EVERY = 10.0
"""Seconds between looks at the folder."""


@dataclass(frozen=True)
class Others:
    """jobs: of other processes. finished: cells that have had their record from them. at: when this was seen, on
    time.monotonic()."""

    jobs: Sequence[Job] = ()
    finished: frozenset[str] = frozenset()
    at: float = 0.0


class Beside:
    """Looks at a folder now and then. It is made when a run begins there: what is finished later by others is
    theirs."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._began = time.time()
        self._found = Others()
        self._next = 0.0  # look, on time.monotonic()
        self._is_shared = False  # another process has been seen

    def look(self, waiting: Sequence[str]) -> Others:
        """What others do and have done. waiting: the cells that this process has not begun."""
        now = time.monotonic()
        if self._store is not None and now >= self._next:
            self._next = now + EVERY
            with suppress(BenchError, OSError):  # a screen ends no run
                self._found = self._seen(self._store, waiting, now)
        return self._found

    def _seen(self, store: Store, waiting: Sequence[str], now: float) -> Others:
        running = {cell: owner for cell, owner in store.running().items() if not owner.is_this_process()}
        self._is_shared = self._is_shared or bool(running)
        finished = [cell for cell in waiting if self._is_shared and self._is_new(store, cell)]
        return Others(jobs_of(store, running), frozenset(finished), now)

    def _is_new(self, store: Store, cell: str) -> bool:
        """Whether a cell has had its record since this run began."""
        try:
            return store.record_path(cell).stat().st_mtime >= self._began
        except OSError:
            return False
