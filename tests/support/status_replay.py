"""What `status` says of recorded runs on several workers, from a folder as the run would have left it by then."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.planning.progress import summarise
from bench.planning.workload import Workload
from bench.runs import planned_work
from bench.runs.folder import Store
from bench.runs.leases import Lease
from tests.support.replay import Event

BEGAN = 1e9
"""When the run begins, in seconds since 1970."""


@dataclass(frozen=True)
class Said:
    """What `status` says at a second of the run: seconds left, None where it says nothing, and those that then
    remained. jobs: those that are done."""

    at: float
    jobs: int
    left: float | None
    true: float


def on_disk(
    events: Sequence[Event], workload: Workload, store: Store, monkeypatch: pytest.MonkeyPatch, looks: int
) -> Iterator[Said]:
    """What `status` says at so many moments, evenly spaced, so that most are in the middle of cells."""
    now = 0.0
    monkeypatch.setattr(time, "time", lambda: BEGAN + now)
    cells = [event.record.cell for event in events if event.begins]
    store.begin("recorded", [cell.id for cell in cells])
    planned_work.add(store.path, {c.id: (workload.operations(c), workload.prefix(c)) for c in cells})
    left = {
        event.job: [e.record.cell.id for e in events if e.job == event.job and e.begins] for event in events
    }
    held: dict[str, Lease] = {}
    waiting, end = list(events), events[-1].at
    for look in range(1, looks):
        while waiting and waiting[0].at <= end * look / looks:
            event = waiting.pop(0)
            now, cell = event.at, event.record.cell.id
            if not event.begins:
                _save(store, event, held.pop(cell))
                left[event.job].remove(cell)
            elif cell not in held:  # the first of its job
                first, *_ = members = left[event.job]
                held.update({cell: _lease(store, cell, first) for cell in members})
        now = end * look / looks
        done = sum(not cells for cells in left.values())
        yield Said(now, done, summarise(store).remaining, end - now)
    for lease in held.values():
        lease.release()


def _lease(store: Store, cell: str, job: str) -> Lease:
    lease = store.lease(cell, job)
    assert lease
    return lease


def _save(store: Store, event: Event, lease: Lease) -> None:
    """As a worker does: the record, and then no lease."""
    store.save(event.record)
    path: Path = store.record_path(event.record.cell.id)
    os.utime(path, (BEGAN + event.at, BEGAN + event.at))
    lease.release()
