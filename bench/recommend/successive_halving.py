"""Strategies compared on growing training sets, until they are told apart, the rows end, or the budget is spent
(after successive halving: Jamieson & Talwalkar 2016, AISTATS, with training rows as the resource)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.analysis.loading import Run
from bench.contracts import Cell, Recipe
from bench.executors.contract import Options
from bench.executors.launch import launching
from bench.recommend.budget import Budgeted, BudgetSpent, until
from bench.recommend.evidence import Standing, standing
from bench.recommend.reserve import Reserve
from bench.registry import Registry
from bench.runs.folder import Store
from bench.runs.listeners import Screen
from bench.runs.record import Record

SEEDS = 3
FEW = 2  # seeds where the time allows no more: what one seed tells, another may not
RESERVED = 0.1  # of the budget, for the score on the test rows
REACH = (
    4  # times the rows of a round that the next may have: what a cell costs is expected from the last round
)
SMALLEST = 32  # training rows of the first round, at least
FIRST = 250  # and at most, where there are more than four times as many


@dataclass(frozen=True)
class Round:
    """Strategies on `size` training rows."""

    size: int
    seeds: int
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Bracket:
    """What is compared: strategies, cheapest first, on a task's selection rows, with one recipe and `budget`
    seconds."""

    task: str
    view: str  # the task's name, without its test rows
    strategies: tuple[str, ...]
    backbone: str
    recipe: Recipe
    budget: float
    folder: Path

    def cells(self, of: Round) -> list[Cell]:
        recipe = replace(self.recipe, train=of.size)
        label = f"{self.view}@{of.size}"
        return [
            Cell(self.task, label, strategy, self.backbone, seed, recipe)
            for seed in range(of.seeds)
            for strategy in of.strategies
        ]

    def all_cells(self, sizes: Sequence[int]) -> list[Cell]:
        """Those of every round of these sizes."""
        return [cell for size in sizes for cell in self.cells(Round(size, SEEDS, self.strategies))]


@dataclass(frozen=True)
class Outcome:
    """planned: by size, ascending, the strategies of the last round that was begun on so many rows. rows: of the
    last round, had the time allowed it. behind: why a strategy was given up. stopped: why there is no further
    round, '' where all rows were used."""

    planned: Mapping[int, tuple[str, ...]]
    rows: int
    behind: dict[str, str]
    stopped: str
    seconds: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Those of the rounds that were begun."""
        return tuple(self.planned)


def sizes_for(rows: int, labels: int) -> list[int]:
    """A quarter, a half and all of the rows; of many rows, 250 and its doubles."""
    smallest = max(SMALLEST, 2 * labels)
    start = min(max(rows // 4, smallest), FIRST)
    sizes = []
    while start < rows * 0.75:
        sizes.append(start)
        start *= 2
    return [*sizes, rows]


class Rounds(Protocol):
    """What runs rounds, and how much of the budget is left: in seconds, or in units of work."""

    def run(self, cells: Sequence[Cell]) -> None:
        """Run the cells; BudgetSpent where the budget ends before they do."""
        ...

    def measured(self, sizes: Sequence[int]) -> Run:
        """What is finished of the rounds of these sizes."""
        ...

    def left(self) -> float: ...

    def judging(self) -> AbstractContextManager[None]:
        """What scores are judged in."""
        ...


@dataclass(frozen=True)
class Timed:
    """Rounds that are run now, until what is left of the budget is kept for its end."""

    bracket: Bracket
    registry: Registry
    launched: Callable[[Sequence[Cell]], list[Record]]
    reserve: Reserve

    def run(self, cells: Sequence[Cell]) -> None:
        with until(self.deadline):
            self.launched(cells)

    def measured(self, sizes: Sequence[int]) -> Run:
        return measured(self.bracket, sizes, self.registry)

    def left(self) -> float:
        return self.deadline() - time.monotonic()

    def judging(self) -> AbstractContextManager[None]:
        return self.reserve.timing()

    def deadline(self) -> float:
        return self.reserve.last_round(RESERVED)


def successive_halving(
    bracket: Bracket,
    sizes: Sequence[int],
    registry: Registry,
    running: tuple[Options, Screen],
    reserve: Reserve,
) -> Outcome:
    """Search with cells that are run now, until a tenth of the time and the reserve are left. running: how, and the
    screen for progress. Raises BenchError as `launch` does, and where the time is up before any strategy has
    finished."""
    options, screen = running
    began = time.monotonic()
    growing = replace(options, growing=True)
    display = Budgeted(screen, lambda: reserve.last_round(RESERVED), reserve.note)
    with launching(bracket.all_cells(sizes), registry, bracket.folder, growing, display) as run:
        found = search(bracket, sizes, Timed(bracket, registry, run, reserve))
    return replace(found, seconds=time.monotonic() - began)


def search(bracket: Bracket, sizes: Sequence[int], rounds: Rounds) -> Outcome:
    """Run round after round: one seed of every strategy on the fewest rows, which tells what each costs, then what
    `following` says. A strategy that is told apart from the best and did not come closer since fewer rows is given
    up."""
    behind: dict[str, str] = {}
    planned: dict[int, tuple[str, ...]] = {}
    now, before = None, None
    this: Round | str = Round(sizes[0], 1, bracket.strategies)
    while not isinstance(this, str):
        if this.size not in planned:
            before = now
        planned[this.size] = this.strategies
        try:
            rounds.run(bracket.cells(this))
        except BudgetSpent:
            this = f"the time was up in the round of {this.size:,} rows"
            break
        with rounds.judging():
            now = standing(rounds.measured(tuple(planned)), f"{bracket.view}@{this.size}")
        behind.update(_hopeless(now, before))
        left = tuple(name for name in this.strategies if name in now.means and name not in behind)
        this = following(replace(this, strategies=left), now, sizes, rounds.left())
    return Outcome(planned, sizes[-1], behind, this, 0.0)


class Paced(Protocol):
    """Scores so far, and what cells are expected to cost."""

    @property
    def means(self) -> Mapping[str, float]: ...

    def expected(self, name: str, growth: float) -> float:
        """Seconds of a cell of this strategy on `growth` times the rows of the last round."""
        ...


def following(last: Round, now: Paced, sizes: Sequence[int], seconds: float) -> Round | str:
    """The round after `last`, whose standing is `now`, in the seconds that are left; or why there is none, '' where
    nothing is left to do.

    It has all strategies on as many rows as the time allows, with the most seeds: one only where there is time
    for FEW of those that stand best after it. But first comes the next number of rows, where there is time for both
    with all seeds. Where there is not even time for all strategies on the next number, those that stand best go on:
    two at least, unless only one is left."""
    ahead = [
        replace(last, size=size, seeds=seeds)
        for size in sizes
        for seeds in range(1, SEEDS + 1)
        if (last.size, last.seeds) < (size, seeds)
        and size <= REACH * (last.size + 1)  # a quarter was rounded down
    ]
    if not ahead:
        return ""
    best = sorted(last.strategies, key=lambda name: -now.means[name])

    def cost(of: Round, strategies: Sequence[str] = last.strategies) -> float:
        seeds = of.seeds - (last.seeds if of.size == last.size else 0)
        return seeds * sum(now.expected(name, of.size / last.size) for name in strategies)

    def needed(of: Round) -> float:
        return cost(of) + max(FEW - of.seeds, 0) * cost(replace(of, seeds=1), best[:2])

    furthest = next((entry for entry in reversed(ahead) if needed(entry) <= seconds), None)
    if furthest:
        first = next(entry for entry in ahead if entry.seeds == SEEDS)
        both = cost(first) + cost(replace(furthest, seeds=SEEDS)) <= seconds
        return first if first.size < furthest.size and both else furthest
    smallest = next((entry for entry in ahead if entry.seeds == FEW), None)
    if smallest is None:
        return f"the time did not allow {SEEDS} seeds of all"
    while len(best) > 2 and cost(smallest, best) > seconds:
        best.pop()
    if cost(smallest, best) > seconds:
        return f"the time did not allow a round of {smallest.size:,} rows"
    return replace(smallest, strategies=tuple(name for name in last.strategies if name in best))


def measured(bracket: Bracket, sizes: Sequence[int], registry: Registry) -> Run:
    """What the run folder holds of these rounds. Left out is what an earlier request left there of other rows,
    recipes, strategies or encoders."""
    store = Store(bracket.folder)
    prints = {cell.id: registry.fingerprint(cell) for cell in bracket.all_cells(sizes)}
    records = [record for record in store.records() if prints.get(record.cell.id) == record.fingerprint]
    return Run(bracket.task, records, store.predictions)


def _hopeless(now: Standing, before: Standing | None) -> dict[str, str]:
    """Why strategies are given up. One seed is no reason: another could be better."""
    if before is None:
        return {}
    found = {}
    for name in now.behind:
        gap = now.means[now.best] - now.means[name]
        earlier = before.means.get(now.best, 0.0) - before.means.get(name, 1.0)
        if gap >= earlier and now.against_best[name].difference.seeds >= FEW:
            found[name] = f"{100 * gap:.1f} points behind {now.best}, beyond chance, and not closing"
    return found
