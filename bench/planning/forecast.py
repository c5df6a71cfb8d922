"""Predicts what a run takes: cells, time, memory and downloads. Runs, loads and downloads nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError, Cell, Splits
from bench.data.hub import SplitRows, without_hub
from bench.data.packages.members import are_cached
from bench.data.packages.registries import Package
from bench.data.reading import reading_rows
from bench.data.rows import rows_file
from bench.data.sources import HubData, Sources
from bench.data.splits import prepare
from bench.models import catalog
from bench.planning.at_once import AtOnce, at_once
from bench.planning.estimates import Estimate, Estimator
from bench.planning.machine_speed import assumed_rate
from bench.planning.recorded import Place, in_folders, in_history, name_of, this_machine
from bench.planning.samples import kind_of
from bench.planning.workload import PROCESS, Workload, stated_sizes
from bench.registry import Registry
from bench.runs.record import Record


@dataclass(frozen=True)
class Download:
    """What is fetched before the first cell. size: bytes; None where the source does not say beforehand."""

    name: str
    source: str
    size: int | None


@dataclass(frozen=True)
class Row:
    """The cells of one task, strategy and backbone. at_once: those that train at once, and their memory. reason:
    why they cannot run, '' where they can."""

    cells: Sequence[Cell]
    finished: int
    each: Estimate
    at_once: AtOnce
    reason: str = ""


@dataclass(frozen=True)
class Forecast:
    """seconds: of everything unfinished, one cell after another. rate: the operations per second that were
    assumed. machines: where the recorded cells ran. elsewhere: the other machines, or numbers of threads, with
    records of these cells, which are left out."""

    rows: Sequence[Row]
    downloads: Sequence[Download]
    seconds: float
    rate: float
    machines: Sequence[str]
    elsewhere: Sequence[str] = ()


def forecast(cells: Sequence[Cell], registry: Registry, folder: Path, per_device: int = 1) -> Forecast:
    """The forecast of running `cells` into `folder`: from records of this machine, there and in folders beside it,
    or in its history; else from operations. per_device: seeds of a cell that may train on a GPU at once. BenchError
    where a task or a backbone does not exist."""
    workload = Workload(registry)
    rate = assumed_rate()
    _read_rows(cells, workload)
    estimator = Estimator(workload.operations, rate, workload.prefix)
    read = in_folders(folder)
    here = this_machine(read.get(folder, ()))
    known = [record for records in read.values() for record in records if _is_known(record, registry)]
    recorded = [record for record in known if here.has(record.machine)]
    estimator.learn(recorded)
    exact = {kind_of(record.cell) for record in recorded if record.status == "done"}
    past = in_history(folder, [cell for cell in cells if kind_of(cell) not in exact], here)
    estimator.learn(past)
    finished = _finished(cells, workload, read.get(folder, ()))
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_key(cell), []).append(cell)
    rows = []
    for members in groups.values():
        each = estimator.cell(members[0])
        alone = each.memory or workload.memory(members[0])
        if not each.memory:
            memory = alone if per_device > 1 else workload.resident(members[0])  # several train on a GPU
            each = Estimate(each.seconds, memory, each.basis)
        left = [cell for cell in members if cell.id not in finished]
        process = 0 if each.on_gpu else PROCESS
        together = at_once(left or members[:1], alone, workload, per_device, process)
        rows.append(Row(members, len(members) - len(left), each, together, registry.incompatible(members[0])))
    incompatible = {cell.id for row in rows if row.reason for cell in row.cells}
    todo = [cell for cell in cells if cell.id not in finished and cell.id not in incompatible]
    machines, elsewhere = _machines(known, here, set(groups))
    if past:
        machines.add(here.name)
    downloads = _downloads(todo, registry)
    return Forecast(rows, downloads, estimator.total(todo), rate, sorted(machines), sorted(elsewhere))


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.strategy, cell.backbone


def _is_known(record: Record, registry: Registry) -> bool:
    return record.cell.task in registry.plugins.tasks


def _machines(
    records: Iterable[Record], here: Place, keys: Collection[tuple[str, str, str]]
) -> tuple[set[str], set[str]]:
    """The machines whose finished cells count, and those whose cells are left out though they have these keys."""
    names: tuple[set[str], set[str]] = set(), set()
    for record in records:
        if record.machine and record.status == "done":
            counts = here.has(record.machine)
            if counts or _key(record.cell) in keys:
                names[not counts].add(name_of(record.machine))
    return names


def _read_rows(cells: Iterable[Cell], workload: Workload) -> None:
    """Read the rows of user data and of tasks that state no sizes, as far as they are on this machine. The run
    reports what is wrong with them."""
    registry = workload.registry
    looking = _Looking(registry.sources.cache, registry.sources.local)
    offline = _Offline(registry.sources.cache, registry.sources.local)
    for task, recipe, draw in dict.fromkeys(
        (task, recipe, draw) for task, _, recipe, draw in (cell.group_key for cell in cells)
    ):
        plugin = registry.task(task)
        if stated_sizes(type(plugin)) and not plugin.origin:
            continue
        try:
            plugin.splits(looking)
        except _Missing:
            continue
        except Exception:  # _Here; or a plug-in's own
            pass
        with suppress(BenchError, _Missing):  # a task may want more than the first thing that is here
            found = prepare(plugin, offline, recipe, draw)
            workload.rows.add(task, recipe, found)
            workload.rows.add_digest(task, recipe, draw, found)


def _finished(cells: Iterable[Cell], workload: Workload, records: Iterable[Record]) -> set[str]:
    """The ids of the cells that the run has finished as they are now, on the rows that it has now as far as they
    have been read."""
    done = {
        record.cell.id: record.fingerprint
        for record in records
        if record.status == "done" and not workload.rows.have_changed(record)
    }
    found = set()
    for cell in cells:
        with suppress(BenchError):
            if cell.id in done and done[cell.id] == workload.registry.fingerprint(cell):
                found.add(cell.id)
    return found


# --------------------------------------------------------------------------------------------------
# Downloads


class _Missing(Exception):
    """A task has asked for something that is not here."""

    def __init__(self, download: Download) -> None:
        super().__init__(download.name)
        self.download = download


class _Here(Exception):
    """A task's rows are in the cache."""


@dataclass(frozen=True)
class _Offline(Sources):
    """Sources that read what is here, and fetch nothing."""

    def members(self, package: Package, names: Sequence[str] = ()) -> dict[str, Path]:
        if not are_cached(package, names or package.members, self.cache):
            raise _Missing(_package(package))
        return super().members(package, names)

    def hub_data(self, wanted: HubData) -> SplitRows:
        with without_hub():
            return super().hub_data(wanted)


@dataclass(frozen=True)
class _Looking(_Offline):
    """Sources that check whether something is in the cache, and fetch nothing."""

    def cached(self, name: str, version: int, build: Callable[[], Splits]) -> Splits:
        if not rows_file(name, version, self.cache).is_file():
            build()  # raises where its members are not here
        raise _Here

    def hub_data(self, wanted: HubData) -> SplitRows:
        kept = _hub_cache() / f"datasets--{wanted.path.replace('/', '--')}"
        if self.local_copy(wanted) or kept.is_dir():
            raise _Here
        raise _Missing(Download(wanted.path, "Hugging Face hub", None))


def _downloads(cells: Sequence[Cell], registry: Registry) -> list[Download]:
    looking = _Looking(registry.sources.cache, registry.sources.local)
    found: dict[str, Download] = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        with reading_rows(task):
            try:
                registry.task(task).splits(looking)
            except _Missing as missing:
                found[missing.download.name] = missing.download
            except _Here:
                continue
    for name in dict.fromkeys(cell.backbone for cell in cells):
        missing = missing_backbone(name, registry.sources.cache)
        if missing:
            found[missing.name] = missing
    return list(found.values())


def missing_backbone(name: str, cache: Path) -> Download | None:
    """What has to be fetched before a backbone can be loaded; None where it is here."""
    catalog.identity(name)
    if name in catalog.BACKBONES:
        package = catalog.BACKBONES[name].package
        return None if are_cached(package, package.members, cache) else _package(package)
    if name in catalog.TRAINED or name in catalog.COUNTS:
        return None
    if Path(name).exists() or (_hub_cache() / f"models--{name.replace('/', '--')}").is_dir():
        return None
    return Download(name, "Hugging Face hub", None)


def _package(package: Package) -> Download:
    return Download(package.label, package.registry, package.size)


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
