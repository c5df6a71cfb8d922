"""The progress of a run: what is done, running, failed and missing, and the time left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.contracts import Cell, Recipe
from bench.planning.estimates import Estimator
from bench.planning.time_left import rest, seconds_left
from bench.runs import planned_work
from bench.runs.folder import Store
from bench.runs.leases import Owner
from bench.runs.planned_work import NOTHING, PlannedWork
from bench.runs.record import Record
from bench.text import counted, duration, printable


@dataclass(frozen=True)
class Progress:
    """Cell ids by state; `remaining` seconds, None where nothing comparable has run yet."""

    done: Sequence[str]
    failed: Mapping[str, str]  # with the reason
    missing: Sequence[str]
    running: Sequence[str]
    remaining: float | None

    def as_dict(self) -> dict[str, object]:
        return {
            "done": list(self.done),
            "failed": dict(self.failed),
            "missing": list(self.missing),
            "running": list(self.running),
            "remaining_seconds": self.remaining,
        }

    def text(self) -> str:
        total = len(self.done) + len(self.failed) + len(self.missing)
        lines = [
            f"{len(self.done):,} of {counted(total, 'cell')} done, {len(self.failed)} not, "
            f"{len(self.missing)} to run"
        ]
        lines += [f"running: {cell}" for cell in self.running]
        if self.missing and self.remaining is not None:
            lines.append(f"remaining: about {duration(self.remaining)}")
        lines += [f"{cell}: {reason}" for cell, reason in self.failed.items()]
        return "\n".join(map(printable, lines))


@dataclass(frozen=True)
class Job:
    """Cells that a worker runs together, without those that have their record. elapsed: seconds since it began the
    first of them."""

    cells: Sequence[str]
    elapsed: float


def summarise(store: Store) -> Progress:
    """The progress of the run in `store`. A cell that is run again counts as if it had no record."""
    records = store.seen_records()
    running = store.running()
    work = planned_work.read(store.path)
    again = {*running, *_again(store, records, work)} if running else set[str]()
    known = [record for record in records if record.cell.id not in again]
    ids = {record.cell.id for record in known}
    missing = [cell for cell in store.planned() if cell not in ids]
    return Progress(
        done=[record.cell.id for record in known if record.status == "done"],
        failed={
            record.cell.id: f"{record.status}: {record.reason}" for record in known if record.status != "done"
        },
        missing=missing,
        running=list(running),
        remaining=remaining_seconds(missing, records, work, jobs_of(store, running)),
    )


def jobs_of(store: Store, running: Mapping[str, Owner]) -> list[Job]:
    """What workers are at now. running: the cells in flight, and whose they are."""
    jobs: dict[Owner, list[str]] = {}
    for cell, owner in running.items():
        jobs.setdefault(owner, []).append(cell)
    return [Job(cells, _elapsed(store, owner, cells)) for owner, cells in jobs.items()]


def _elapsed(store: Store, owner: Owner, cells: Sequence[str]) -> float:
    """Seconds since the job of these cells began, or had its last record; 0 where its lease does not say."""
    if not owner.since:
        return 0.0
    since = owner.since
    if owner.job not in cells:  # the first of its cells has its record, and those after it may have theirs
        with suppress(OSError):
            kind = store.record_path(cells[0]).parent
            since = max([since, *(path.stat().st_mtime for path in kind.glob("*.json"))])
    return max(0.0, time.time() - since)


def _again(store: Store, records: Sequence[Record], work: PlannedWork) -> list[str]:
    """The cells that the attempt in progress still runs again: they have the records that they had before."""
    found = []
    for record in records if work.again else ():
        cell = record.cell.id
        with suppress(OSError):
            if work.again.get(cell) == store.record_path(cell).stat().st_mtime_ns:
                found.append(cell)
    return found


def remaining_seconds(
    missing: Sequence[str], records: Sequence[Record], work: PlannedWork = NOTHING, jobs: Sequence[Job] = ()
) -> float | None:
    """Seconds until no cell is missing, from comparable ones; None where none of them has run: word vectors say
    nothing about an encoder. work: what the run has planned. jobs: those of the missing cells that are in flight;
    as many workers go on with the others, and one where there are none."""
    estimator = _estimator(work, [*missing, *(record.cell.id for record in records)])
    estimator.learn(records)
    names = {_backbone(record.cell.id): record.cell.backbone for record in records}
    recipes = {record.cell.task: record.cell.recipe for record in records}
    cells = {cell: _cell(cell, names, recipes) for cell in missing}
    if not estimator.has_samples or any(estimator.cell(cell).basis == "assumed" for cell in cells.values()):
        return None
    begun = {part for record in records for part in estimator.makes(record.cell)}
    rests: list[float] = []
    flying: list[Cell] = []
    for job in jobs:
        own = [cells.pop(cell) for cell in job.cells if cell in cells]
        rests.append(rest(estimator.total(own, begun), job.elapsed))
        flying += own
    for cell in flying:
        begun.update(estimator.makes(cell))
    waiting = sorted(cells.values(), key=lambda cell: cell.seed)  # in which a group is run
    return seconds_left(rests, estimator.each(waiting, begun), len(jobs))


def _estimator(work: PlannedWork, cells: Sequence[str]) -> Estimator:
    """It scales seconds by planned operations, where those of all cells are known."""
    if not all(map(work.covers, cells)):
        return Estimator()
    return Estimator(lambda cell: work.of(cell.id)[0], prefix=lambda cell: work.of(cell.id)[1])


def _cell(cell: str, names: Mapping[str, str], recipes: Mapping[str, Recipe]) -> Cell:
    """A cell of a run's plan, which holds no recipes: those of other cells say which rows its seeds share."""
    task, strategy, backbone, seed = cell.split("/")
    number = int(seed.removeprefix("seed"))
    known = recipes.get(task, Recipe())
    recipe = Recipe(resample=known.resample, shots=known.shots)
    return Cell("", task, strategy, names.get(backbone, backbone), number, recipe)


def _backbone(cell: str) -> str:
    return cell.split("/")[2]
