"""What a large grid would take on many GPUs: the scheduling policy itself, run on recorded costs in simulated time.

The grid repeats the recorded tasks as groups of their own until there are enough cells, and
`bench.executors.groups` chooses each next cell, as in a real run. The command `simulate` prints the table, and with
it what is assumed."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.contracts import BenchError, Cell
from bench.executors.groups import Groups, Key
from bench.runs.record import Record
from bench.text import duration

START = 10.0  # seconds until a worker can run cells: an actor, a process, torch
DRIVER = 0.02  # seconds that the driver needs for a record; it takes one after another
DISPATCH = 0.05  # seconds more until the worker begins its next cell
GPUS_A_NODE = 8

ASSUMPTIONS = f"""\
- A cell takes what its recorded one took to train and to evaluate, on whatever machine that was; a worker that
  comes to a group also pays the group's dearest recorded preparation and prefix. No two workers share a prefix
  (`--cache-dir` would let those of a node), and none gives one up while a cell of its group waits.
- The grid repeats the recorded cells under names of other tasks: every copy is a group with its own rows.
- Every cell asks for a whole GPU: heads that would share one, and word vectors that need none, are not packed.
- A worker starts in {START:.0f} s. The driver takes {DRIVER} s for a record, one after another; the worker has its
  next cell {DISPATCH} s after that.
- Nodes of {GPUS_A_NODE} GPUs fetch weights and rows once each, at no cost in time; nothing fails, and the cluster
  is this run's alone.
- The lower bound: each group prepared once and all work spread evenly, or the longest cell; no start, no driver.
"""


@dataclass(frozen=True)
class SimulatedCost:
    """Seconds of a cell: of its own, and of what it shares with its group."""

    own: float
    shared: float


@dataclass(frozen=True)
class Simulation:
    """Seconds until the last record, seconds that the GPUs were busy, and how often things were prepared.

    bound: no schedule is shorter. It is all work with every group prepared once, spread evenly, or the longest
    cell."""

    gpus: int
    makespan: float
    busy: float
    bound: float
    prepared: int
    groups: int
    backbones_fetched: int  # over all nodes, as the next
    tasks_fetched: int

    @property
    def utilisation(self) -> float:
        return self.busy / (self.gpus * self.makespan)


def costs_of(records: Sequence[Record]) -> dict[Cell, SimulatedCost]:
    """What the finished cells took; a group shares what its most expensive preparation and prefix took.
    BenchError where there are none."""
    done = [record for record in records if record.status == "done"]
    if not done:
        raise BenchError("no finished cell has recorded costs: run a suite first", code="no-costs")
    shared: dict[Key, float] = {}
    for record in done:
        key = record.cell.group_key
        shared[key] = max(shared.get(key, 0.0), record.seconds.prepare + record.seconds.prefix)
    return {
        record.cell: SimulatedCost(
            record.seconds.train + record.seconds.evaluate, shared[record.cell.group_key]
        )
        for record in done
    }


def grid(recorded: Mapping[Cell, SimulatedCost], cells: int) -> dict[Cell, SimulatedCost]:
    """A grid of so many cells: the recorded ones, and copies of them under the names of other tasks."""
    copies = (
        (replace(cell, task=f"{cell.task}-{number}"), cost)
        for number in itertools.count()
        for cell, cost in recorded.items()
    )
    return dict(itertools.islice(copies, cells))


def simulate(costs: Mapping[Cell, SimulatedCost], gpus: int) -> Simulation:
    """Simulate a run: whenever a worker is free, it takes the cell that the policy gives it."""
    groups = Groups(costs)
    groups.largest_first()
    ready: dict[int, Key] = {}
    preparations: list[tuple[int, Key]] = []
    free = [(START, worker) for worker in range(gpus)]
    busy = makespan = driver = 0.0
    while free:
        now, worker = heapq.heappop(free)
        if worker in ready:
            makespan = driver = max(driver, now) + DRIVER
            now = driver + DISPATCH
        taken = {key for other, key in ready.items() if other != worker}
        key = groups.choose(ready.get(worker), taken)
        if key is None:
            continue  # this worker idles to the end: only last cells of other workers' groups are left
        cost = costs[groups.pop(key)]
        seconds = cost.own
        if ready.get(worker) != key:
            ready[worker] = key
            preparations.append((worker, key))
            seconds += cost.shared
        busy += seconds
        heapq.heappush(free, (now + seconds, worker))
    fetched = {(worker // GPUS_A_NODE, key) for worker, key in preparations}
    return Simulation(
        gpus=gpus,
        makespan=makespan,
        busy=busy,
        bound=lower_bound(costs, gpus),
        prepared=len(preparations),
        groups=len({cell.group_key for cell in costs}),
        backbones_fetched=len({(node, key[1]) for node, key in fetched}),
        tasks_fetched=len({(node, key[0]) for node, key in fetched}),
    )


def lower_bound(costs: Mapping[Cell, SimulatedCost], gpus: int) -> float:
    """Seconds that no schedule can beat."""
    shared = {cell.group_key: cost.shared for cell, cost in costs.items()}
    work = math.fsum(cost.own for cost in costs.values()) + math.fsum(shared.values())
    return max(work / gpus, max(cost.own + cost.shared for cost in costs.values()))


def markdown(outcomes: Sequence[Simulation]) -> str:
    """A table with a row for each number of GPUs."""
    lines = [
        "| GPUs | makespan | over the bound | utilisation | prefixes per group | weights fetched | rows fetched |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {found.gpus} | {duration(found.makespan)} | {found.makespan / found.bound - 1:.1%} "
        f"| {found.utilisation:.1%} | {found.prepared / found.groups:.3f} | {found.backbones_fetched:,} "
        f"| {found.tasks_fetched:,} |"
        for found in outcomes
    ]
    return "\n".join(lines)
