"""Recorded runs, told as they would have been while they ran, under any plan and in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import Cell
from bench.executors.groups import Groups
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


def baseline(path: Path, backbone: str = "") -> list[Record]:
    """The finished cells of a baseline, of one backbone where it is named."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [record_of(json.loads(line)["record"], path.name) for line in lines]
    return [r for r in records if r.status == "done" and backbone in ("", r.cell.backbone)]


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
    key, made, job = None, set(), 0
    while (key := groups.choose(key)) is not None:
        job += 1
        for number, cell in enumerate(groups.pop_together(key)):
            took, group = by_id[cell.id].seconds, (cell.task, cell.backbone)
            wall = BETWEEN + took.evaluate + (0.0 if number else took.train + took.compile + took.tune)
            shared = {(group, "rows"): took.prepare, (group, round(took.prefix, 4)): took.prefix}
            wall += sum(seconds for part, seconds in shared.items() if part not in made)
            made |= set(shared)
            found.append(Ran(by_id[cell.id], wall, job))
    return found


def told(run: Sequence[Ran], plan: Plan, resumed: float = 0.0) -> list[float]:
    """After each cell but the last, the time left that is told as a multiple of what then remained.

    resumed: the share of the cells that an earlier attempt has finished."""
    estimator = plan.estimator()
    before = round(resumed * len(run))
    estimator.learn(item.record for item in run[:before])
    rest, begun, ratios = run[before:], set(), []
    for number, item in enumerate(rest[:-1], 1):
        group = item.record.cell.task, item.record.cell.backbone
        estimator.observe(item.record, item.wall, group not in begun)
        begun.add(group)
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
