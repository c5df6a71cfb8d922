"""Runs cells one after another in this process: for debugging, and where a process more is not wanted."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.contracts import Cell
from bench.discovery import Plugins
from bench.executors.contract import Finished, Listener, Work
from bench.executors.waiting import Waiting, group_key

PAUSE = 0.5  # seconds between looks at cells that another process runs


def run_inline(
    cells: Sequence[Cell], work: Work, plugins: Plugins, finished: Finished, listener: Listener
) -> None:
    """Run every cell that no other process runs or has run. Ctrl-C loses the cell in flight alone."""
    listener.say("loading torch ...")
    from bench.executors.series import Series

    series = Series(work, plugins, work.options.device)
    waiting = Waiting(cells, work.store, finished, listener)
    key = None
    while not waiting.empty:
        held = waiting.take(key)
        if held is None:
            time.sleep(PAUSE)
            continue
        key = group_key(held.cell)
        try:
            listener.cell_started(held.cell)
            record = series.run(held.cell, listener)
        finally:
            held.release()
        listener.cell_done(record)
