"""The power of the regression gate: how often it finds a known drop, and how often it raises a false alarm.


New runs of the same code are simulated from recorded predictions (`simulation`). A drop is injected by making
random examples wrong, independently for each seed. The command `power` prints a row for each run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from bench.analysis.groups import Key
from bench.analysis.regression.compare import ALL_TASKS, RunComparison, compare
from bench.analysis.regression.simulation import Pool, Simulator

NOISES = (0.03, 0.05, 0.08)  # of synthetic seeds, in logits


@dataclass(frozen=True)
class Rates:
    """Of `trials` comparisons of each kind: the number of false alarms and of injected drops found; the median
    standard deviation over seeds, and the median drop that `compare` calls detectable."""

    run: str
    trials: int
    cells: int
    false_alarms: int
    strategy_drop: float
    strategy_found: int
    cell_drop: float
    cell_found: int
    deviation: float
    strategy_detectable: float
    cell_detectable: float

    def row(self) -> str:
        """This run's row of the Markdown table."""
        counts = (
            f"{found} of {self.trials}" for found in (self.false_alarms, self.strategy_found, self.cell_found)
        )
        limits = f"{100 * self.strategy_detectable:.1f} / {100 * self.cell_detectable:.1f}"
        return "| " + " | ".join([self.run, f"{100 * self.deviation:.1f}", *counts, limits]) + " |"

    def head(self) -> str:
        """The heading lines of the table."""
        names = (
            "run",
            "typical deviation over seeds, points",
            "false alarms",
            f"{100 * self.strategy_drop:g} points off one strategy, all tasks: found",
            f"{100 * self.cell_drop:g} points off one cell: found",
            "typical detectable drop, strategy / cell",
        )
        return "| " + " | ".join(names) + " |\n|---|" + "---:|" * (len(names) - 1)


@dataclass(frozen=True)
class Drops:
    """The injected drops, in units of the headline score."""

    strategy: float = 0.03
    cell: float = 0.06


def measure(run: str, simulator: Simulator, trials: int, drops: Drops = Drops()) -> Rates:
    """The rates over `trials` simulated comparisons of each kind."""
    cells, rng = list(simulator.pools), simulator.rng
    broad = _strategies(simulator.pools)
    counts, limits = [0, 0, 0], ([], [])
    for _ in range(trials):
        strategy, cell = broad[rng.integers(len(broad))], cells[rng.integers(len(cells))]
        on_all = {key: drops.strategy for key in cells if key._replace(task=ALL_TASKS) == strategy}
        for kind, taken in enumerate(({}, on_all, {cell: drops.cell})):
            outcome = compare(*simulator.pair(taken))
            counts[kind] += named(outcome, taken) if taken else outcome.exit_code == 1
            for level, findings in zip(limits, (outcome.strategies, outcome.cells), strict=True):
                level += [item.detectable for item in findings if item.detectable is not None and not taken]
    deviations = [math.sqrt(pool.parts.seed) for pool in simulator.pools.values()]
    found = (counts[0], drops.strategy, counts[1], drops.cell, counts[2])
    middles = (median(values) if values else float("nan") for values in (deviations, *limits))
    return Rates(run, trials, len(cells), *found, *middles)


def _strategies(keys: Mapping[Key, Pool]) -> list[Key]:
    """The strategies, over all tasks, that have the most tasks."""
    tasks: dict[Key, int] = {}
    for key in keys:
        whole = key._replace(task=ALL_TASKS)
        tasks[whole] = tasks.get(whole, 0) + 1
    return [key for key, count in tasks.items() if count == max(tasks.values())]


def named(outcome: RunComparison, drops: Mapping[Key, float]) -> bool:
    """Whether a regressed finding is one of the dropped cells, or their strategy over all tasks."""
    guilty = {*drops, *(key._replace(task=ALL_TASKS) for key in drops)}
    return any(
        item.status == "regressed" and item.key in guilty for item in (*outcome.strategies, *outcome.cells)
    )
