"""How far a run is: what is done, running, failed and missing, and how long remains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.analysis.formats import printable
from bench.record import Record
from bench.store import Store


@dataclass(frozen=True)
class Progress:
    """Cell ids by state; `remaining` seconds, None where nothing has run yet."""

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
            f"{len(self.done)} of {total} cells done, {len(self.failed)} not, {len(self.missing)} to run"
        ]
        lines += [f"running: {cell}" for cell in self.running]
        if self.missing and self.remaining is not None:
            lines.append(f"remaining: about {duration(self.remaining)}")
        lines += [f"{cell}: {reason}" for cell, reason in self.failed.items()]
        return "\n".join(map(printable, lines))


def summarise(store: Store) -> Progress:
    """The progress of the run in `store`."""
    records = store.records()
    known = {record.cell.id for record in records}
    missing = [cell for cell in store.planned() if cell not in known]
    return Progress(
        done=[record.cell.id for record in records if record.status == "done"],
        failed={
            record.cell.id: f"{record.status}: {record.reason}"
            for record in records
            if record.status != "done"
        },
        missing=missing,
        running=store.running(),
        remaining=remaining_seconds(missing, records),
    )


def remaining_seconds(missing: Sequence[str], records: Sequence[Record]) -> float | None:
    """The sum over missing cells of what comparable cells took: the same but for the seed; else the same
    strategy and backbone on another task; else any. None where nothing has run."""
    spent = [
        (tuple(record.cell.id.split("/")), record.seconds.train + record.seconds.evaluate)
        for record in records
        if record.status == "done"
    ]
    if not spent:
        return None
    total = 0.0
    for cell in missing:
        parts = tuple(cell.split("/"))
        for alike_in in (slice(0, 3), slice(1, 3), slice(0, 0)):
            alike = [seconds for other, seconds in spent if other[alike_in] == parts[alike_in]]
            if alike:
                total += fmean(alike)
                break
    return total


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
