"""Checks a request as a whole, then runs what is not finished. Imports no torch itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.discovery import Plugins
from bench.display import Display
from bench.executors.contract import Options, Work
from bench.executors.inline import run_inline
from bench.executors.process import run_processes
from bench.identity import fingerprint
from bench.models import catalog
from bench.record import Record
from bench.store import Damaged, Store
from bench.verify_run import set_aside


def launch(
    cells: Sequence[Cell],
    plugins: Plugins,
    sources: Sources,
    folder: Path,
    options: Options,
    display: Display,
) -> list[Record]:
    """Run the cells into `folder`; the records of all of them, in order. A finished cell runs again only if its
    fingerprint changed or its files are damaged. Raises BenchError, before anything is written, where the request
    cannot be run."""
    misfits = check(cells, plugins, sources, display)
    prints = {cell.id: fingerprint(cell, plugins, sources) for cell in cells}
    work = Work(Store(folder), options, sources, prints)
    known = _Known(work, display)
    finished = [record for cell in cells if (record := known.finished(cell))]
    _begin(work.store, cells, display)
    for cell in cells:
        if cell.id in misfits:
            reason = misfits[cell.id]
            work.store.save(Record(cell=cell, fingerprint=prints[cell.id], status="skipped", reason=reason))
    done = {record.cell.id for record in finished}
    todo = [cell for cell in cells if cell.id not in done and cell.id not in misfits]
    display.begin(todo, finished)
    try:
        if todo and options.executor == "inline":
            run_inline(todo, work, plugins, known.finished, display)
        elif todo:
            run_processes(todo, work, known.finished, display)
    finally:
        display.end()
    return [record for cell in cells if (record := work.store.record(cell.id))]


def check(cells: Sequence[Cell], plugins: Plugins, sources: Sources, display: Display) -> dict[str, str]:
    """Read the rows of every task and the depth of every backbone, downloading what is missing.

    Returns why a cell's strategy does not fit its backbone, by cell id. Raises BenchError for wrong rows, for
    a backbone that does not exist, and where a strategy fits none of the backbones."""
    for task, recipe in dict.fromkeys((cell.task, cell.recipe) for cell in cells):
        display.say(f"{task}: checking rows ...")
        try:
            prepare(plugins.task(task), sources, recipe)
        except BenchError:
            raise
        except Exception as error:  # a plug-in may raise anything
            raise BenchError(
                f"task '{task}': its rows cannot be read: {type(error).__name__}: {error} (--debug shows where)"
            ) from error
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


class _Known:
    """Which cells need not run: those finished before, and those that another process has run since."""

    def __init__(self, work: Work, display: Display) -> None:
        self._work = work
        self._display = display
        self._first_seen: dict[str, tuple[int, int] | None] = {}

    def finished(self, cell: Cell) -> Record | None:
        """The record of a finished run of exactly this cell; of any outcome where it is newer than this run. What
        is damaged is set aside, with a notice."""
        seen = _stamp(self._work.store.record_path(cell.id))
        first = self._first_seen.setdefault(cell.id, seen)
        try:
            record = self._work.store.verified(cell.id)
        except Damaged as damage:
            for target in set_aside(self._work.store, damage.path):
                self._display.say(f"{damage.path} is damaged ({damage.reason}): moved to {target}")
            return None
        if record is None or record.fingerprint != self._work.fingerprints[cell.id]:
            return None
        old = seen == first
        if old and (self._work.options.fresh or record.status != "done"):
            return None
        return record


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _begin(store: Store, cells: Sequence[Cell], display: Display) -> None:
    """Note the plan; one that is damaged is set aside and made from the records and this request."""
    ids = [cell.id for cell in cells]
    try:
        store.begin(cells[0].suite, ids)
    except Damaged as damage:
        display.say(f"{damage.path} is damaged: moved to {store.quarantine(damage.path)}")
        earlier = [path.relative_to(store.path / "records").with_suffix("") for path in store.record_files()]
        store.begin(cells[0].suite, [*map(str, earlier), *ids])
