"""All that an answer says, before it is put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.statistics.intervals import Interval
from bench.recommend.choice import Basis
from bench.recommend.evidence import Growth, Standing
from bench.recommend.floor import Floor
from bench.recommend.successive_halving import FEW, Outcome
from bench.recommend.weaknesses import Confusion, Weakness
from bench.runs.record import Record

TIME_UP = "the time was up"


@dataclass(frozen=True)
class Findings:
    """All that the page says. final: the choice's score on the test rows, None where it has none; final_seeds: of
    each seed, where some of them learned nothing."""

    task: str
    goal: str
    margin: float  # in units of the score
    choice: str
    basis: Basis
    round: Standing
    outcome: Outcome
    growth: Growth
    floor: Floor | None
    weak: Sequence[Weakness]
    final: Interval | None
    test_rows: int
    command: str
    folder: str
    strategies: tuple[str, ...]
    measured: frozenset[str]  # those of them that finished a cell
    unfit: Mapping[str, str]  # those that do not fit the encoder, and why
    all_strategies: tuple[str, ...]
    backbone: str
    failed: Mapping[str, int] = field(default_factory=dict)  # those that failed, and on how many rows
    training_rows: int = 0  # of the task, with those that strategies are compared on
    unscored: str = TIME_UP  # why there is no score on the test rows
    budget: float = 0.0  # seconds
    serving: Record | None = None  # of the choice, trained on all training rows
    final_seeds: Sequence[float] = ()
    confused: Sequence[
        Confusion
    ] = ()  # classes that the choice takes for each other, on the test rows if scored

    @property
    def unjudged(self) -> list[str]:
        """Strategies that the time did not allow to compare with the others to the end."""
        told = {*self.round.means, *self.outcome.behind, *self.failed}
        return [name for name in self.strategies if name not in told]


def failures(run: Run, view: str, sizes: Sequence[int]) -> dict[str, int]:
    """The strategies that failed on the most rows that they were tried on, and how many these are. One that
    finished FEW seeds there all the same is not among them."""
    found = {}
    for size in sizes:
        groups = gather(record for record in run.records if record.cell.task == f"{view}@{size}")
        for key, group in groups.items():
            found.pop(key.strategy, None)
            if group.failures and len(group.done) < FEW:
                found[key.strategy] = size
    return found
