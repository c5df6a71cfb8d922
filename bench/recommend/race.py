"""Strategies compared on growing training sets, until they are told apart, the rows end, or the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.analysis.loading import Run
from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.discovery import Plugins
from bench.display import Display
from bench.executors.contract import Options
from bench.identity import fingerprint
from bench.launch import launch
from bench.recommend.evidence import Standing, standing
from bench.record import Record
from bench.store import Store

SEEDS = 3
SMALLEST = 32  # training rows of the first round, at least
FIRST = 250  # and at most, where there are more than four times as many


class BudgetSpent(Exception):
    """Raised between two cells."""


class _Budgeted(Display):
    """Ends a run after the cell with which the time is up."""

    deadline = float("inf")

    def cell_done(self, record: Record) -> None:
        super().cell_done(record)
        if time.monotonic() > self.deadline:
            raise BudgetSpent


@dataclass(frozen=True)
class Contest:
    """What is compared: strategies, cheapest first, on a task's selection rows, with one recipe and `budget`
    seconds."""

    task: str
    view: str  # the task's name, without its test rows
    strategies: tuple[str, ...]
    backbone: str
    recipe: Recipe
    budget: float
    folder: Path

    def cells(self, size: int, strategies: Sequence[str]) -> list[Cell]:
        recipe = replace(self.recipe, train=size)
        label = f"{self.view}@{size}"
        return [
            Cell(self.task, label, strategy, self.backbone, seed, recipe)
            for seed in range(SEEDS)
            for strategy in strategies
        ]


@dataclass(frozen=True)
class Outcome:
    """sizes: those of the rounds that were begun. left_out: why a strategy is not in the last round. stopped: why
    there is no further round, '' where all rows were used."""

    sizes: tuple[int, ...]
    left_out: dict[str, str]
    stopped: str
    seconds: float


def sizes_for(rows: int, labels: int) -> list[int]:
    """A quarter, a half and all of the rows; of many rows, 250 and its doubles."""
    smallest = max(SMALLEST, 2 * labels)
    start = min(max(rows // 4, smallest), FIRST)
    sizes = []
    while start < rows * 0.75:
        sizes.append(start)
        start *= 2
    return [*sizes, rows]


def race(
    contest: Contest, sizes: Sequence[int], plugins: Plugins, sources: Sources, options: Options, screen: Any
) -> Outcome:
    """Run round after round. The first has every strategy. One that is behind beyond chance (5%, Holm) and did not
    come closer since the round before is out; of the others, those that stand best and fit the time that is
    left, with a tenth of it kept for the final score. Raises BenchError as `launch` does."""
    began = time.monotonic()
    display = _Budgeted(screen)
    display.deadline = began + 0.9 * contest.budget
    strategies, left_out, done = list(contest.strategies), {}, []
    before: Standing | None = None
    stopped = ""
    for number, size in enumerate(sizes):
        if number:
            strategies, out = _fitting(strategies, before, size / sizes[number - 1], display.deadline)
            left_out.update(out)
            if not strategies:
                stopped = f"the time did not allow a round of {size:,} rows"
                break
        done.append(size)
        try:
            launch(contest.cells(size, strategies), plugins, sources, contest.folder, options, display)
        except BudgetSpent:
            stopped = f"the time was up in the round of {size:,} rows"
            break
        now = standing(measured(contest, [size], plugins, sources), f"{contest.view}@{size}")
        out = _hopeless(now, before)
        left_out.update(out)
        strategies = [name for name in strategies if name not in out and name in now.means]
        before = now
    return Outcome(tuple(done), left_out, stopped, time.monotonic() - began)


def measured(contest: Contest, sizes: Sequence[int], plugins: Plugins, sources: Sources) -> Run:
    """What the run folder holds of these rounds. Left out is what an earlier request left there of other rows,
    recipes, strategies or encoders."""
    store = Store(contest.folder)
    cells = [cell for size in sizes for cell in contest.cells(size, contest.strategies)]
    prints = {cell.id: fingerprint(cell, plugins, sources) for cell in cells}
    records = [record for record in store.records() if prints.get(record.cell.id) == record.fingerprint]
    return Run(contest.task, records, store.predictions)


def _hopeless(now: Standing, before: Standing | None) -> dict[str, str]:
    if before is None:
        return {}
    found = {}
    for name in set(now.against_best) - set(now.tied):
        gap = now.means[now.best] - now.means[name]
        earlier = before.means.get(now.best, 0.0) - before.means.get(name, 1.0)
        if gap >= earlier:
            found[name] = f"{100 * gap:.1f} points behind {now.best}, beyond chance, and not closing"
    return found


def _fitting(
    strategies: Sequence[str], before: Standing | None, growth: float, deadline: float
) -> tuple[list[str], dict[str, str]]:
    """The strategies that fit the time that is left, the best-standing ones first; none where not even two
    do, unless only one is left in the race."""
    assert before is not None
    left = deadline - time.monotonic()
    kept: list[str] = []
    out = {}
    for name in sorted(strategies, key=lambda name: -before.means[name]):
        cost = SEEDS * before.expected(name, growth)
        if cost <= left:
            kept.append(name)
            left -= cost
        else:
            out[name] = "the time did not allow it on more rows"
    if len(kept) < min(2, len(strategies)):
        return [], {}
    return [name for name in strategies if name in kept], out
