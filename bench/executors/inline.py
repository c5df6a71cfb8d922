"""Runs cells one after another in this process: for debugging, and where a process more is not wanted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.contracts import Cell
from bench.executors.contract import Finished, Work
from bench.executors.waiting import Waiting
from bench.registry import Registry
from bench.runs import processes
from bench.runs.listeners import Listener

if TYPE_CHECKING:
    from bench.executors.series import Series

PAUSE = 0.5  # seconds between looks at cells that another process runs


class Inline:
    """This process as an executor (bench.executors.contract.Executor)."""

    def __init__(self, work: Work, registry: Registry, listener: Listener) -> None:
        self._work = work
        self._registry = registry
        self._listener = listener
        self._series: Series | None = None

    def start(self) -> None: ...

    def ready(self) -> None:
        if self._series is None:
            self._listener.say("loading torch ...")
            processes.wait_passively()  # a notebook has not run the program's own start
            from bench.executors.series import Series

            self._series = Series(self._work, self._registry, self._work.options.device)

    def run(self, cells: Sequence[Cell], finished: Finished) -> None:
        self.ready()
        assert self._series is not None
        waiting = Waiting(cells, self._work, finished, self._listener)
        key = None
        while waiting:
            held = waiting.take(key)
            if held is None:
                time.sleep(PAUSE)
                continue
            key = held.cell.group_key
            try:
                self._listener.cell_started(held.cell)
                for record in self._series.run(held.cells, self._listener):
                    following = held.finish(record.cell)
                    self._listener.cell_done(record)
                    if following:
                        self._listener.cell_started(following)
            finally:
                held.release()

    def stop(self) -> None: ...
