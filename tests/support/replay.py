"""Recorded runs, told as they would have been while they ran, under any plan and in any order."""

from __future__ import annotations

import heapq
import io
import itertools
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli import display
from bench.cli.display import Display
from bench.contracts import Cell
from bench.executors.groups import Groups, Key
from bench.planning.estimates import Estimator
from bench.planning.workload import Workload
from bench.registry import Registry
from bench.runs.record import Record, record_of

BETWEEN = 0.02
"""Seconds between a cell's last measured part and its record."""


@dataclass(frozen=True)
class Ran:
    """A cell of a run: its record, and the seconds from its start to its record. job: the number of its job; seeds
    that train together are one."""

    record: Record
    wall: float
    job: int = 0


@dataclass(frozen=True)
class Plan:
    """What is expected before anything has run. factor: of the planned operations of a cell, over the true ones."""

    workload: Workload
    assumed: float = 1e11
    factor: Callable[[Cell], float] = lambda _: 1.0

    def estimator(self) -> Estimator:
        return Estimator(
            lambda cell: self.workload.operations(cell) * self.factor(cell),
            self.assumed,
            lambda cell: self.workload.prefix(cell) * self.factor(cell),
        )


ON_A_SLOWER_HOST = ("sst2", "conll2003", "reuters-r52")
"""Tasks of suite `reference` that ran while matrix products took 1.3 times as long as for the others."""


def baseline(path: Path, backbone: str = "") -> list[Record]:
    """The finished cells of a baseline, of one backbone where it is named; without tasks whose host was slower than
    that of the others, so that a replay is of one machine."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [record_of(json.loads(line)["record"], path.name) for line in lines]
    found = [r for r in records if r.cell.suite != "reference" or r.cell.task not in ON_A_SLOWER_HOST]
    return [r for r in found if r.status == "done" and backbone in ("", r.cell.backbone)]


def in_order(records: Iterable[Record], registry: Registry, shuffle: int | None = None) -> list[Ran]:
    """The run of these cells by one worker, from the measured parts of each: what cells share is paid for once.

    shuffle: the seed of another order of tasks and strategies."""
    by_id = {record.cell.id: record for record in records}
    cells = [record.cell for record in by_id.values()]
    if shuffle is not None:
        places = {
            name: random.Random(f"{shuffle} {name}").random() for cell in cells for name in _names(cell)
        }
        cells.sort(key=lambda cell: (*(places[name] for name in _names(cell)), cell.seed))
    groups = Groups(cells, {cell.id for cell in cells if registry.trains_together(cell)})
    found: list[Ran] = []
    made: set[object] = set()
    key, job = None, 0
    while (key := groups.choose(key)) is not None:
        job += 1
        for number, cell in enumerate(groups.pop_together(key)):
            record = by_id[cell.id]
            found.append(Ran(record, _wall(record, number, made), job))
    return found


def _wall(record: Record, number: int, made: set[object]) -> float:
    """Seconds of a cell that is `number` of its job. made: what its worker has made of what cells share; what the
    cell makes is added."""
    took, group = record.seconds, record.cell.group_key
    wall = BETWEEN + took.evaluate + (0.0 if number else took.train + took.compile + took.tune)
    shared = {(group, "rows"): took.prepare, (group, round(took.prefix, 4)): took.prefix}
    wall += sum(seconds for part, seconds in shared.items() if part not in made)
    made |= set(shared)
    return wall


def told(run: Sequence[Ran], plan: Plan, resumed: float = 0.0) -> list[float]:
    """After each cell but the last, the time left that is told as a multiple of what then remained.

    resumed: the share of the cells that an earlier attempt has finished."""
    estimator = plan.estimator()
    before = round(resumed * len(run))
    estimator.learn(item.record for item in run[:before])
    rest, begun, ratios = run[before:], set(), []
    for number, item in enumerate(rest[:-1], 1):
        group, prefix = estimator.makes(item.record.cell)
        estimator.observe(item.record, item.wall, group not in begun)
        begun |= {group, prefix}
        left = rest[number:]
        ratios.append(estimator.total((later.record.cell for later in left), begun) / _seconds(left))
    return ratios


def a_third(run: Sequence[Ran], resumed: float = 0.0) -> int:
    """The place, among what `told` tells, of the cell with which a third of the jobs is done."""
    rest = run[round(resumed * len(run)) :]
    jobs = list(dict.fromkeys(item.job for item in rest))
    last = jobs[-(-len(jobs) // 3) - 1]
    return max(place for place, item in enumerate(rest) if item.job == last)


def off(ratios: Iterable[float]) -> list[float]:
    """By what factor each is wrong, up or down."""
    return [max(ratio, 1 / ratio) for ratio in ratios]


def _names(cell: Cell) -> tuple[str, str]:
    return cell.task, cell.strategy


def _seconds(run: Iterable[Ran]) -> float:
    return sum(item.wall for item in run)


def table(runs: dict[str, tuple[Sequence[Ran], Plan]]) -> str:
    """Forecast over truth after the first cell, a third and two thirds of the cells, by run."""
    lines = ["run | first cell | a third | two thirds", "---|---:|---:|---:"]
    for name, (run, plan) in runs.items():
        ratios = told(run, plan)
        places = 0, -(-len(run) // 3) - 1, -(-2 * len(run) // 3) - 1
        lines.append(" | ".join([name, *(f"{ratios[place]:.2f}" for place in places)]))
    return "\n".join(lines)


# --------------------------------------------------------------------------------------------------
# Several workers


@dataclass(frozen=True)
class Event:
    """What a screen hears, at a second of the run: a cell begins, or has its record. job: the number of its job."""

    at: float
    record: Record
    begins: bool
    job: int


def on_workers(records: Iterable[Record], registry: Registry, workers: int, in_jobs: bool) -> list[Event]:
    """The run of these cells by several workers, each as fast as the machine that was measured.

    in_jobs: the records of a job come together, when its last cell is done, as from a Ray cluster."""
    by_id = {record.cell.id: record for record in records}
    cells = [record.cell for record in by_id.values()]
    groups = Groups(cells, {cell.id for cell in cells if registry.trains_together(cell)})
    if workers > 1:
        groups.largest_first()
    ready: dict[int, Key] = {}
    made: dict[int, set[object]] = {}
    free = [(0.0, worker) for worker in range(workers)]
    events: list[Event] = []
    job = 0
    while free:
        now, worker = heapq.heappop(free)
        taken = [key for other, key in ready.items() if other != worker]
        key = groups.choose(ready.get(worker), taken)
        if key is None:
            continue
        if ready.get(worker) != key:
            ready[worker], made[worker] = key, set()
        job += 1
        members = [by_id[cell.id] for cell in groups.pop_together(key)]
        walls = [_wall(record, number, made[worker]) for number, record in enumerate(members)]
        end = now + sum(walls)
        for record, wall in zip(members, walls, strict=True):
            stop = end if in_jobs else now + wall
            events += [Event(now, record, True, job), Event(stop, record, False, job)]
            now = stop
        heapq.heappush(free, (now, worker))
    return sorted(events, key=lambda event: event.at)


@dataclass(frozen=True)
class Told:
    """What a screen says when so many jobs are done: seconds left, and those that then remained."""

    jobs: int
    left: float
    true: float


def on_screen(events: Sequence[Event], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """What the screen says whenever a record has come, but for the last."""
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    screen = Display(Console(file=io.StringIO(), width=10_000))
    screen.begin([event.record.cell for event in events if event.begins], [], plan.estimator())
    found: list[Told] = []
    left = {job: sum(event.job == job and not event.begins for event in events) for job in _jobs(events)}
    for at, moment in itertools.groupby(events, key=lambda event: event.at):
        now, heard = at, list(moment)
        for event in heard:
            if event.begins:
                screen.cell_started(event.record.cell)
            else:
                screen.cell_done(event.record)
                left[event.job] -= 1
        if now < events[-1].at and not all(event.begins for event in heard):
            done = sum(not count for count in left.values())
            found.append(Told(done, screen._seconds_left(), events[-1].at - now))
    return found


def _jobs(events: Sequence[Event]) -> list[int]:
    return list(dict.fromkeys(event.job for event in events))
