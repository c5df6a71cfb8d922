"""The progress of a run: what is done, running, failed and missing, and the time left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.contracts import Cell, Recipe
from bench.planning.estimates import Estimator
from bench.runs import planned_work
from bench.runs.folder import Store
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


def summarise(store: Store) -> Progress:
    """The progress of the run in `store`."""
    records = store.seen_records()
    known = {record.cell.id for record in records}
    missing = [cell for cell in store.planned() if cell not in known]
    running = store.running()
    seconds = remaining_seconds(missing, records, planned_work.read(store.path))
    return Progress(
        done=[record.cell.id for record in records if record.status == "done"],
        failed={
            record.cell.id: f"{record.status}: {record.reason}"
            for record in records
            if record.status != "done"
        },
        missing=missing,
        running=list(running),
        remaining=seconds and seconds / max(1, len(set(running.values()))),
    )


def remaining_seconds(
    missing: Sequence[str], records: Sequence[Record], work: PlannedWork = NOTHING
) -> float | None:
    """Seconds for the missing cells one after another, from comparable ones; None where none of them has run:
    word vectors say nothing about an encoder. work: what the run has planned."""
    estimator = _estimator(work, [*missing, *(record.cell.id for record in records)])
    estimator.learn(records)
    names = {_backbone(record.cell.id): record.cell.backbone for record in records}
    begun = {(record.cell.task, record.cell.backbone) for record in records}
    cells = [_cell(cell, names) for cell in missing]
    if not estimator.has_samples or any(estimator.cell(cell).basis == "assumed" for cell in cells):
        return None
    return estimator.total(cells, begun)


def _estimator(work: PlannedWork, cells: Sequence[str]) -> Estimator:
    """It scales seconds by planned operations, where those of all cells are known."""
    if not all(map(work.covers, cells)):
        return Estimator()
    return Estimator(lambda cell: work.of(cell.id)[0], prefix=lambda cell: work.of(cell.id)[1])


def _cell(cell: str, names: Mapping[str, str]) -> Cell:
    """A cell of a run's plan, which holds no recipes."""
    task, strategy, backbone, seed = cell.split("/")
    number = int(seed.removeprefix("seed"))
    return Cell("", task, strategy, names.get(backbone, backbone), number, Recipe())


def _backbone(cell: str) -> str:
    return cell.split("/")[2]
