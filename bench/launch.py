"""Checks a request as a whole, then runs what is not finished. Imports no torch itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.discovery import Plugins
from bench.display import Display
from bench.executors.contract import Options
from bench.executors.inline import run_inline
from bench.identity import fingerprint
from bench.models import catalog
from bench.record import Record
from bench.store import Store


def launch(
    cells: Sequence[Cell],
    plugins: Plugins,
    sources: Sources,
    folder: Path,
    options: Options,
    display: Display,
) -> list[Record]:
    """Run the cells into `folder`; the records of all of them, in order. A finished cell runs again only if its
    fingerprint changed. Raises BenchError, before anything is written, where the request cannot be run."""
    misfits = check(cells, plugins, sources, display)
    store = Store(folder)
    prints = {cell.id: fingerprint(cell, plugins, sources) for cell in cells}
    finished = (
        [] if options.fresh else [r for cell in cells if (r := _finished(store, cell, prints[cell.id]))]
    )
    known = {record.cell.id for record in finished}
    store.begin(cells[0].suite, [cell.id for cell in cells])
    for cell in cells:
        if cell.id in misfits:
            reason = misfits[cell.id]
            store.save(Record(cell=cell, fingerprint=prints[cell.id], status="skipped", reason=reason))
    todo = [cell for cell in cells if cell.id not in known and cell.id not in misfits]
    display.begin(todo, finished)
    try:
        if todo:
            run_inline(todo, plugins, sources, store, options, display)
    finally:
        display.end()
    return [record for cell in cells if (record := store.record(cell.id))]


def check(cells: Sequence[Cell], plugins: Plugins, sources: Sources, display: Display) -> dict[str, str]:
    """Read the rows of every task and the depth of every backbone, downloading what is missing.

    Returns why a cell's strategy does not fit its backbone, by cell id. Raises BenchError for wrong rows, for
    a backbone that does not exist, and where a strategy fits none of the backbones."""
    for task, recipe in dict.fromkeys((cell.task, cell.recipe) for cell in cells):
        display.say(f"{task}: checking rows ...")
        prepare(plugins.task(task), sources, recipe)
    depths = {name: catalog.depth(name, sources) for name in dict.fromkeys(cell.backbone for cell in cells)}
    misfits: dict[str, str] = {}
    for cell in cells:
        try:
            plugins.strategy(cell.strategy, cell.options).checked_phases(depths[cell.backbone])
        except BenchError as error:
            misfits[cell.id] = str(error)
    for strategy in dict.fromkeys(cell.strategy for cell in cells):
        reasons = [misfits.get(cell.id) for cell in cells if cell.strategy == strategy]
        if all(reasons):
            raise BenchError(str(reasons[0]))
    return misfits


def _finished(store: Store, cell: Cell, print: str) -> Record | None:
    """The record of a finished run of exactly this cell."""
    record = store.record(cell.id)
    return record if record and record.status == "done" and record.fingerprint == print else None
