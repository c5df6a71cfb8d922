"""`recommend` once more, from records of all cells that it could run: what a budget of work would have named.

A cell costs the operations of its training, by formula. So the answer depends on no clock: the same records
give the same answer however busy the machine was, and another rule is judged without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bench.analysis.loading import Run
from bench.contracts import Cell
from bench.recommend.budget import BudgetSpent
from bench.recommend.choice import last_full
from bench.recommend.evidence import Standing
from bench.recommend.known_grid import Known
from bench.recommend.successive_halving import RESERVED, search
from bench.runs.record import Record, Seconds

UNIT = 1e9  # operations


@dataclass
class Recorded:
    """Rounds whose cells are known (a successive_halving.Rounds). budget, spent: in units of work."""

    run_: Run
    budget: float
    spent: float = 0.0
    _finished: dict[str, Record] = field(default_factory=dict)

    def run(self, cells: Sequence[Cell]) -> None:
        known = {record.cell.id: record for record in self.run_.records}
        for cell in cells:
            if cell.id in known and cell.id not in self._finished:
                record = known[cell.id]
                if self.spent + record.seconds.cold > self.budget:
                    self.spent = self.budget
                    raise BudgetSpent
                self.spent += record.seconds.cold
                self._finished[cell.id] = record

    def measured(self, sizes: Sequence[int]) -> Run:
        tasks = tuple(f"@{size}" for size in sizes)
        records = [record for record in self._finished.values() if record.cell.task.endswith(tasks)]
        return Run(self.run_.name, records, self.run_.predictions)

    def left(self) -> float:
        return self.budget - self.spent

    def judging(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True)
class Replayed:
    """The last round that a budget allowed, what gave strategies up, and the work it took. None: no strategy
    finished."""

    last: Standing | None
    behind: Mapping[str, str]
    stopped: str
    work: float


def replay(known: Known, budget: float) -> Replayed:
    """What a budget of `budget` units of work would have measured."""
    rounds = Recorded(priced(known.rounds), (1 - RESERVED) * budget)
    outcome = search(known.bracket, known.sizes, rounds)
    run = rounds.measured(outcome.sizes)
    if not any(record.status == "done" for record in run.records):
        return Replayed(None, outcome.behind, outcome.stopped, rounds.spent)
    least = min(2, len(known.bracket.strategies))
    last = last_full(run, known.bracket.view, outcome.planned, least)
    return Replayed(last, outcome.behind, outcome.stopped, rounds.spent)


def priced(run: Run) -> Run:
    """The run with the work of a cell in place of its seconds. All of it grows with the rows."""
    records = [
        record.model_copy(update={"seconds": Seconds(cold=work(record), train=work(record))})
        for record in run.records
    ]
    return Run(run.name, records, run.predictions)


def work(record: Record) -> float:
    """Operations of training a cell alone, its frozen blocks included, in units."""
    return record.flops / UNIT
