"""Runs cells one after another in this process."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.discovery import Plugins
from bench.executors.contract import Listener, Options
from bench.store import Store


def run_inline(
    cells: Sequence[Cell],
    plugins: Plugins,
    sources: Sources,
    store: Store,
    options: Options,
    listener: Listener,
) -> None:
    """Run every cell; neighbours with the same task, backbone and recipe share rows, weights and prefix.

    A cell that raises becomes a record with a status and a reason. Ctrl-C loses the cell in flight alone."""
    listener.say("loading torch ...")
    from bench.engine.machine import choose_device
    from bench.run import Bench, attempt, prepare_ground

    bench = Bench(plugins, sources, choose_device(options.device, options.threads))
    shared, ground = None, None
    try:
        for cell in cells:
            listener.cell_started(cell)
            store.start(cell.id)
            key = (cell.task, cell.backbone, cell.recipe)
            if ground is None or shared != key:
                ground = None
                gc.collect()
                listener.say(f"{cell.task}: reading rows, loading {cell.backbone}, encoding ...")
                shared, ground = key, prepare_ground(cell, bench)
            record, tests = attempt(cell, ground, bench, listener.point)
            store.save(record, tests)
            listener.cell_done(record)
    finally:
        store.stop()
