"""How far a budget reaches, before anything has run: by what cells are estimated to take on this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.contracts import BenchError, Cell, Splits
from bench.planning.estimates import SHARED, Estimator
from bench.planning.machine_speed import assumed_rate
from bench.planning.recorded import of_this_machine
from bench.planning.workload import Workload
from bench.recommend.budget import written
from bench.recommend.reserve import CLOSING, COMPARED, START, slowness
from bench.recommend.successive_halving import RESERVED, Bracket, Round, following
from bench.registry import Registry
from bench.runs.folder import Store

STEP = 1.15  # between the budgets that are tried
MORE = 1.5  # times a budget that was too small: the least that is proposed instead
LONGEST = 30 * 24 * 3600.0  # seconds; no budget beyond is proposed


@dataclass(frozen=True)
class Reach:
    """rows: the most that the budget is expected to reach, with all strategies or the best of them. of: all rows.
    enough: seconds of a budget that reaches all, 0 where none of LONGEST does. first: seconds until as many
    strategies have a score as an answer needs."""

    rows: int
    of: int
    enough: float
    first: float = 0.0

    def sentence(self, budget: float) -> str:
        """What to expect of this budget."""
        if self.rows >= self.of:
            return f"budget {written(budget)}: expected to reach all {self.of:,} training rows"
        more = (
            f"; about {written(self.enough)} would reach all (--budget {_option(self.enough)})"
            if self.enough
            else ""
        )
        begin = (
            "not expected to finish the first round" if not self.rows else f"expected to reach {self.rows:,}"
        )
        of = "" if not self.rows else f" of {self.of:,} training rows"
        return f"budget {written(budget)}: {begin}{of}{more}"

    def advice(self, budget: float) -> str:
        """What to give where this budget was spent before any cell had finished."""
        least = max(self.first, MORE * budget)
        return (
            f"about {written(least)} would be enough for an answer from few rows (--budget {_option(least)})"
        )


@dataclass(frozen=True)
class Pace:
    """How fast a machine runs `recommend`: its device, how slow other work makes it (1: not at all), and seconds of
    the budget that are spent."""

    device: str
    slowness: float = 1.0
    spent: float = 0.0

    @property
    def beside(self) -> float:
        """Seconds of a budget in which no cell runs."""
        return self.spent + (START + CLOSING) * self.slowness


@dataclass(frozen=True)
class _Guess:
    """What cells are expected to cost around one round (a successive_halving.Paced); nobody is ahead yet."""

    seconds: Callable[[str, int], float]
    size: int
    strategies: tuple[str, ...]

    @property
    def means(self) -> Mapping[str, float]:
        return dict.fromkeys(self.strategies, 0.0)

    def expected(self, name: str, growth: float) -> float:
        return self.seconds(name, round(self.size * growth))


def reach(bracket: Bracket, sizes: Sequence[int], splits: Splits, registry: Registry, pace: Pace) -> Reach:
    """How far the bracket's budget reaches. splits: of its view, for how many rows there are. What the run folder
    holds already teaches how long cells take here."""
    seconds = _estimates(bracket, splits, registry, pace)

    def rows_in(budget: float) -> int:
        return reached(bracket.strategies, sizes, budget - pace.beside / (1 - RESERVED), seconds)

    budget, rows = bracket.budget, rows_in(bracket.budget)
    found = rows
    while found < sizes[-1] and budget < LONGEST:
        budget *= STEP
        found = rows_in(budget)
    first = sum(seconds(name, sizes[0]) for name in bracket.strategies[:COMPARED])
    enough = budget if found >= sizes[-1] else 0.0
    return Reach(rows, sizes[-1], enough, pace.beside + SHARED + first)


def reached(
    strategies: tuple[str, ...], sizes: Sequence[int], budget: float, seconds: Callable[[str, int], float]
) -> int:
    """The rows of the last round that this many seconds allow, by the rule that chooses the rounds; 0 where they
    allow none."""
    left = (1 - RESERVED) * budget
    this: Round | str = Round(sizes[0], 1, strategies)
    last, done = 0, 0  # rows and seeds of the round before
    while not isinstance(this, str):
        new = this.seeds - (done if this.size == last else 0)
        left -= new * sum(seconds(name, this.size) for name in this.strategies) + (
            SHARED if this.size != last else 0
        )
        if left < 0:
            break
        last, done = this.size, this.seeds
        this = following(this, _Guess(seconds, this.size, this.strategies), sizes, left)
    return last


def _estimates(
    bracket: Bracket, splits: Splits, registry: Registry, pace: Pace
) -> Callable[[str, int], float]:
    """Seconds of a cell by strategy and training rows. Those of records are of this machine, as busy as it was
    then."""
    workload = Workload(registry)
    workload.rows.add_lengths(bracket.view, splits.train)
    estimator = Estimator(workload.operations, assumed_rate(pace.device), workload.prefix)
    with suppress(BenchError):  # a damaged record: the run itself will say so
        records = of_this_machine(Store(bracket.folder).unverified_records(), pace.device)
        estimator.learn(record for record in records if _alike(record.cell, bracket))
    sizes = {"validation": len(splits.validation), "test": len(splits.test)}

    def seconds(name: str, rows: int) -> float:
        recipe = replace(bracket.recipe, train=rows, **sizes)
        cell = Cell(bracket.task, f"{bracket.view}@{rows}", name, bracket.backbone, 0, recipe)
        found = estimator.cell(cell)
        return found.seconds * (pace.slowness if found.basis == "assumed" else 1.0)

    return seconds


def _alike(cell: Cell, bracket: Bracket) -> bool:
    return cell.task.partition("@")[0] in (bracket.task, bracket.view) and cell.backbone == bracket.backbone


def _option(seconds: float) -> str:
    """Rounded up to what one would type."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


def training_seconds(cell: Cell, splits: Splits, registry: Registry, folder: Path, device: str) -> float:
    """What one model on all training rows is expected to take, with reading rows and loading the encoder. The
    records of this machine in a run folder teach how long cells take; without any, it stays as busy as it is."""
    workload = Workload(registry)
    cell = replace(cell, recipe=replace(cell.recipe, train=len(splits.train)))
    workload.rows.add(cell.task, cell.recipe, splits)
    estimator = Estimator(workload.operations, assumed_rate(device), workload.prefix)
    with suppress(BenchError):
        records = of_this_machine(Store(folder).unverified_records(), device)
        estimator.learn(record for record in records if record.cell.backbone == cell.backbone)
    seconds = estimator.total([cell])
    return seconds if estimator.has_samples else seconds * slowness()
