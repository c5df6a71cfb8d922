"""Checks a request as a whole, then runs what is not finished. Imports no torch itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.data.reading import reading_rows
from bench.data.splits import prepare
from bench.executors import unlabelled
from bench.executors.ahead import Background, divide
from bench.executors.comparable import comparable
from bench.executors.contract import Executor, Options, Work
from bench.executors.inline import Inline
from bench.executors.mixed_folder import note_mixture
from bench.executors.process import Processes
from bench.executors.ray_cluster import RayCluster
from bench.models import catalog
from bench.models.fetching import fetch
from bench.planning.estimates import Estimator
from bench.planning.machine_speed import assumed_rate
from bench.planning.rows_read import RowsRead
from bench.planning.shards import part
from bench.planning.workload import Workload
from bench.registry import Registry
from bench.runs import planned_work, run_inputs
from bench.runs.folder import Damaged, Store
from bench.runs.integrity import quarantine
from bench.runs.listeners import Screen, Silent
from bench.runs.record import Record
from bench.runs.run_inputs import RunInputs
from bench.text import counted
from bench.trackers.tracking import Tracking
from bench.user_data.description import UserData


def launch(
    cells: Sequence[Cell],
    registry: Registry,
    folder: Path,
    options: Options,
    display: Screen,
) -> list[Record]:
    """Run the cells into `folder`; the records of all of them, in order. A finished cell runs again only if its
    fingerprint changed or its files are damaged. Raises BenchError where the request cannot be run: before anything
    is written, but for what has to be fetched, which is checked while the first cells run."""
    with launching(cells, registry, folder, options, display) as run:
        return run(cells)


@contextmanager
def launching(
    cells: Sequence[Cell],
    registry: Registry,
    folder: Path,
    options: Options,
    display: Screen,
) -> Iterator[Callable[[Sequence[Cell]], list[Record]]]:
    """`launch` for some of the cells at a time, with the same workers: a function that runs those of
    them that it is given."""
    grid = tuple(cell.id for cell in cells) if options.shard else ()
    if options.shard:
        whole, cells = cells, part(cells, options.shard, registry)  # reads the depth of every encoder
        incompatible(whole, registry)
    prints = {cell.id: registry.fingerprint(cell) for cell in cells}
    workload = Workload(registry)
    jobs = () if options.deterministic else filter(registry.trains_together, cells)
    together = cells if options.per_device > 1 else jobs
    work = Work(
        store=Store(folder),
        options=options,
        sources=registry.sources,
        fingerprints=prints,
        imports=imports_of(cells, registry),
        grid=grid,
        together=frozenset(cell.id for cell in together),
    )
    if options.per_device > 1 and not options.on_gpu:
        display.note(
            f"--per-device {options.per_device}: on a CPU this saves no time, and needs as many times the memory"
        )
    display = Tracking(work.store, options.track, display) if options.track else display
    executor = _executor(work, registry, display)
    try:
        yield lambda some: _launch(
            [cell for cell in some if cell.id in prints], work, workload, executor, display
        )
    finally:
        executor.stop()


def _launch(
    cells: Sequence[Cell], work: Work, workload: Workload, executor: Executor, display: Screen
) -> list[Record]:
    registry = workload.registry
    known = _Known(work, workload.rows, display)
    pending = not all(map(known.seems_finished, cells))
    if pending:
        executor.start()  # imports torch while this process checks rows
    now, later = divide(cells, registry) if pending else (list(cells), [])
    check(now, registry, display, workload.rows)
    work.operations.update((cell.id, workload.operations(cell)) for cell in cells)
    unlabelled.note_unread(cells, registry, display)
    if not later:
        _check_fit(cells, work, registry)
    if pending:
        executor.ready()
    finished = [record for cell in cells if (record := known.finished(cell))]
    _begin(work, cells, display)
    done = {record.cell.id for record in finished}
    todo = [cell for cell in cells if cell.id not in done]
    fitting = [cell for cell in todo if not registry.incompatible(cell)]
    if todo:
        _note_work(work, workload, cells)
        _note_again(work.store, known.earlier(fitting))
    recorded = work.store.readable_records()
    note_mixture(work.store.path, recorded, cells, display)
    estimator = _estimator(work, workload, recorded)
    display.begin(fitting, finished, estimator)

    def recount() -> None:
        work.operations.update((cell.id, workload.operations(cell)) for cell in later)
        done.difference_update(cell.id for cell in later if cell.id in done and not known.finished(cell))
        _note_work(work, workload, later)
        estimator.recount()

    try:
        for wave in _waves((now, later), work, workload, display, recount):
            some = _fitting([cell for cell in wave if cell.id not in done], work, registry)
            if some:
                executor.run(some, known.finished)
    finally:
        display.end()
    records = {cell.id: work.store.record(cell.id) for cell in cells}
    lost = [cell for cell, record in records.items() if record is None]
    if lost:
        raise BenchError(
            f"{counted(len(lost), 'cell')} ended without a record, {lost[0]} among them: run again",
            code="no-record",
        )
    return [record for record in records.values() if record]


def _waves(
    cells: tuple[Sequence[Cell], Sequence[Cell]],
    work: Work,
    workload: Workload,
    display: Screen,
    recount: Callable[[], None],
) -> Iterator[Sequence[Cell]]:
    """The cells that can run now; then, when what they need has been fetched meanwhile, the others, whose rows have
    been counted by then."""
    (now, later), registry = cells, workload.registry
    if not later:
        yield now
        return
    names = dict.fromkeys(cell.task for cell in later) | dict.fromkeys(cell.backbone for cell in later)
    display.note(f"fetched while the first cells run: what {', '.join(names)} still need")
    fetching = Background(lambda: check(later, registry, Silent(), workload.rows))
    yield now
    display.say("waiting for what the other cells need ...")
    fetching.wait()
    recount()
    unlabelled.check(later, registry, display)  # its remarks; it is sound, else the wait would have raised
    _check_fit([*now, *later], work, registry)
    yield later


def _fitting(cells: Sequence[Cell], work: Work, registry: Registry) -> list[Cell]:
    """The cells whose strategy fits; each of the others gets a record that says why it does not."""
    found = []
    for cell in cells:
        reason = registry.incompatible(cell)
        if reason:
            print_ = work.fingerprints[cell.id]
            work.store.save(Record(cell=cell, fingerprint=print_, status="skipped", reason=reason))
        else:
            found.append(cell)
    return found


def _executor(work: Work, registry: Registry, display: Screen) -> Executor:
    if work.options.executor == "inline":
        return Inline(work, registry, display)
    if work.options.executor == "ray":
        return RayCluster(work, registry, display)
    return Processes(work, display)


LIBRARIES = {
    "encoder": "transformers.models.auto.modeling_auto",
    "vectors": "gensim.models",
    "counts": "sklearn.linear_model",
    "ner": "seqeval.metrics",
}


def imports_of(cells: Sequence[Cell], registry: Registry) -> tuple[str, ...]:
    """The libraries that the cells need, by kind of backbone and by adapter."""
    kinds = {catalog.kind_of(cell.backbone) for cell in cells}
    kinds |= {registry.task(cell.task).adapter for cell in cells}
    return (
        "pyarrow.parquet",
        "sklearn.metrics",
        *(name for kind, name in LIBRARIES.items() if kind in kinds),
    )


def _estimator(work: Work, workload: Workload, recorded: Sequence[Record]) -> Estimator:
    """What is known of the cells, from comparable records of whatever age in the folder."""
    estimator = Estimator(workload.operations, assumed_rate(work.options.device), workload.prefix)
    known = [record for record in recorded if record.cell.task in workload.registry.plugins.tasks]
    estimator.learn([record for record in known if comparable(record, work.options)])
    return estimator


def check(cells: Sequence[Cell], registry: Registry, display: Screen, rows: RowsRead | None = None) -> None:
    """Read the rows of every task and the depth of every backbone, downloading what is missing. rows: where what
    was read is counted.

    BenchError for wrong rows, for unlabelled text that cannot be used, and for a backbone that does not exist."""
    keys = [cell.group_key for cell in cells]
    for task, recipe, draw in dict.fromkeys((task, recipe, draw) for task, _, recipe, draw in keys):
        display.say(f"{task}: checking rows ...")
        with reading_rows(task):
            found = prepare(registry.task(task), registry.sources, recipe, draw)
            if rows is not None:
                rows.add(task, recipe, found)
                rows.add_digest(task, recipe, draw, found)
    unlabelled.check(cells, registry, display)
    for name in dict.fromkeys(cell.backbone for cell in cells):
        display.say(f"{name}: checking backbone ...")
        registry.depth(name)
        fetch(name, registry.sources)


def incompatible(cells: Sequence[Cell], registry: Registry) -> dict[str, str]:
    """Why a cell's strategy does not fit its backbone, by cell id. BenchError where a strategy fits none of the
    backbones."""
    found = {cell.id: reason for cell in cells if (reason := registry.incompatible(cell))}
    for strategy in dict.fromkeys(cell.strategy for cell in cells):
        reasons = [found.get(cell.id) for cell in cells if cell.strategy == strategy]
        if all(reasons):
            raise BenchError(str(reasons[0]), code="strategy-does-not-fit")
    return found


def _check_fit(cells: Sequence[Cell], work: Work, registry: Registry) -> None:
    """BenchError where a strategy fits none of the backbones. What a shard is part of was asked as a whole."""
    if not work.options.shard:
        incompatible(cells, registry)


class _Known:
    """Which cells need not run: those finished before, and those that another process has run since."""

    def __init__(self, work: Work, rows: RowsRead, display: Screen) -> None:
        self._work = work
        self._rows = rows
        self._display = display
        self._first_seen: dict[str, tuple[int, int] | None] = {}
        self._changed: set[str] = set()

    def seems_finished(self, cell: Cell) -> bool:
        """Whether the cell will hardly need a worker; only looks: what is damaged stays where it is."""
        with suppress(BenchError):
            record = self._work.store.record(cell.id)
            if record is not None and record.fingerprint == self._work.fingerprints[cell.id]:
                return record.status in ("done", "skipped") and not self._work.options.fresh
        return False

    def earlier(self, cells: Sequence[Cell]) -> dict[str, int]:
        """The cells that have had a record since before this run, by id, and when it was written (ns)."""
        stamps = {cell.id: self._first_seen.get(cell.id) for cell in cells}
        return {cell: stamp[1] for cell, stamp in stamps.items() if stamp}

    def finished(self, cell: Cell) -> Record | None:
        """The record of a finished run of exactly this cell; of any outcome where it is newer than this run. What
        is damaged is set aside, with a notice."""
        seen = _stamp(self._work.store.record_path(cell.id))
        first = self._first_seen.setdefault(cell.id, seen)
        try:
            record = self._work.store.verified(cell.id)
        except Damaged as damage:
            for target in quarantine(self._work.store, damage.path):
                self._display.note(f"{damage.path} is damaged ({damage.reason}): moved to {target}")
            return None
        if record is None or record.fingerprint != self._work.fingerprints[cell.id]:
            return None
        old = seen == first
        if old and (self._work.options.fresh or record.status != "done"):
            return None
        if self._rows.have_changed(record):
            self._say_changed(cell.task)
            return None
        return record

    def _say_changed(self, task: str) -> None:
        if task not in self._changed:
            self._changed.add(task)
            self._display.note(f"{task}: its rows have changed since cells finished, which run again")


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _begin(work: Work, cells: Sequence[Cell], display: Screen) -> None:
    """Note the plan; one that is damaged is set aside and made from the records and this request."""
    store, plan = work.store, ([cell.id for cell in cells], work.grid)
    try:
        store.begin(cells[0].suite, *plan)
    except Damaged as damage:
        display.note(f"{damage.path} is damaged: moved to {store.quarantine(damage.path)}")
        earlier = [path.relative_to(store.path / "records").with_suffix("") for path in store.record_files()]
        store.begin(cells[0].suite, map(str, earlier))
        store.begin(cells[0].suite, *plan)
    run_inputs.add(store.path, _inputs(work))


def _note_work(work: Work, workload: Workload, cells: Sequence[Cell]) -> None:
    """Note how much the cells compute, by which `status` tells the time left."""
    kinds = {cell.id.rpartition("/")[0]: cell for cell in cells}.values()
    found = {cell.id: (work.operations[cell.id], workload.prefix(cell)) for cell in kinds}
    planned_work.add(work.store.path, found)


def _note_again(store: Store, records: Mapping[str, int]) -> None:
    """Note which cells run again; what another process that is at work here has noted stays."""
    shared = any(not owner.is_this_process() for owner in store.running().values())
    note = planned_work.note_more_again if shared else planned_work.note_again
    note(store.path, records)


def _inputs(work: Work) -> RunInputs:
    """What the run needs beside its suite, so that its report says how to repeat it."""
    files = work.options.plugin_files
    return RunInputs(
        tasks={item.name: item.as_values() for item in files if isinstance(item, UserData)},
        plugins=tuple(str(item) for item in files if isinstance(item, Path)),
        local=str(work.sources.local.resolve()) if work.sources.local else "",
    )
