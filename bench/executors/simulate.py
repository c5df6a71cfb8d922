"""What a large grid would take on many GPUs: the scheduling policy itself, run on recorded costs in simulated time.

    python -m bench.executors.simulate [RUN or baseline] [--cells 10000]

A cell costs what its recorded one took; a worker that comes to a group pays its preparation and its prefix. The
grid repeats the recorded tasks and backbones as groups of their own until there are enough cells.
`bench.executors.groups` chooses each next cell, as in a real run."""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from bench.cli_tables import open_source
from bench.contracts import BenchError, Cell
from bench.executors.groups import Groups, Key, group_key
from bench.record import Record

START = 10.0  # seconds until a worker can run cells: an actor, a process, torch
DISPATCH = 0.05  # seconds from a record to the worker's next cell
GPUS_A_NODE = 8


@dataclass(frozen=True)
class Cost:
    """Seconds of a cell: of its own, and of what it shares with its group."""

    own: float
    shared: float


@dataclass(frozen=True)
class Outcome:
    """Seconds until the last record, what the GPUs were busy with, and what was prepared how often.

    bound: no schedule is shorter: all work with every group prepared once, spread evenly, or the longest cell."""

    gpus: int
    makespan: float
    busy: float
    bound: float
    prepared: int
    groups: int
    fetched: int  # groups that a node fetched the rows and weights of, over all nodes

    @property
    def utilisation(self) -> float:
        return self.busy / (self.gpus * self.makespan)


def costs_of(records: Sequence[Record]) -> dict[Cell, Cost]:
    """What the finished cells took; a group shares what its dearest preparation and prefix took. BenchError where
    there are none."""
    done = [record for record in records if record.status == "done"]
    if not done:
        raise BenchError("no finished cell has recorded costs: run a suite first")
    shared: dict[Key, float] = {}
    for record in done:
        key = group_key(record.cell)
        shared[key] = max(shared.get(key, 0.0), record.seconds.prepare + record.seconds.prefix)
    return {
        record.cell: Cost(record.seconds.train + record.seconds.evaluate, shared[group_key(record.cell)])
        for record in done
    }


def grid(recorded: Mapping[Cell, Cost], cells: int) -> dict[Cell, Cost]:
    """So many cells: the recorded ones, and copies of them under the names of other tasks."""
    copies = (
        (replace(cell, task=f"{cell.task}-{number}"), cost)
        for number in itertools.count()
        for cell, cost in recorded.items()
    )
    return dict(itertools.islice(copies, cells))


def simulate(costs: Mapping[Cell, Cost], gpus: int) -> Outcome:
    """Every worker in turn, at the moment when it is free, takes the cell that the policy gives it."""
    groups = Groups(costs)
    groups.largest_first()
    names = set(map(group_key, costs))
    ready: dict[int, Key] = {}
    preparations: list[tuple[int, Key]] = []
    free = [(START, worker) for worker in range(gpus)]
    busy = makespan = 0.0
    while groups and free:
        now, worker = heapq.heappop(free)
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
        makespan = max(makespan, now + seconds)
        heapq.heappush(free, (now + seconds + DISPATCH, worker))
    return Outcome(
        gpus=gpus,
        makespan=makespan,
        busy=busy,
        bound=lower_bound(costs, gpus),
        prepared=len(preparations),
        groups=len(names),
        fetched=len({(worker // GPUS_A_NODE, key) for worker, key in preparations}),
    )


def lower_bound(costs: Mapping[Cell, Cost], gpus: int) -> float:
    """Seconds that no schedule can beat."""
    shared = {group_key(cell): cost.shared for cell, cost in costs.items()}
    work = math.fsum(cost.own for cost in costs.values()) + math.fsum(shared.values())
    return max(work / gpus, max(cost.own + cost.shared for cost in costs.values()))


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A table, a row a number of GPUs."""
    lines = [
        "| GPUs | makespan | over the lower bound | utilisation | prefixes computed | fetched by nodes |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for found in outcomes:
        above = found.makespan / found.bound - 1
        prepared = f"{found.prepared:,} of {found.groups:,} groups"
        lines.append(
            f"| {found.gpus} | {found.makespan / 3600:.2f} h | {above:.1%} | {found.utilisation:.1%} "
            f"| {prepared} | {found.fetched:,} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", default="results/baselines/quick.jsonl")
    parser.add_argument("--cells", type=int, default=10_000)
    chosen = parser.parse_args()
    recorded = costs_of(open_source(chosen.source).records)
    costs = grid(recorded, chosen.cells)
    print(markdown([simulate(costs, 2**power) for power in range(10)]))
    own = [cost.own for cost in costs.values()]
    print(
        f"\n{len(costs):,} cells, {fmean(own):.1f} s on average (longest {max(own):.1f} s); a preparation takes "
        f"{fmean(cost.shared for cost in costs.values()):.1f} s"
    )


if __name__ == "__main__":
    main()
