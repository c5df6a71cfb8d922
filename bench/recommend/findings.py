"""All that an answer says, before it is put in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.statistics.intervals import Interval
from bench.recommend.choice import Basis
from bench.recommend.evidence import Growth, Standing
from bench.recommend.floor import Floor
from bench.recommend.successive_halving import Outcome
from bench.recommend.weaknesses import Confusion, Weakness
from bench.runs.record import Record


@dataclass(frozen=True)
class Findings:
    """All that the page says. final: the choice's score on the test rows, None where there was no time for it;
    final_seeds: of each seed, where some of them learned nothing."""

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
    ended: frozenset[str]  # and those that finished one or failed
    unfit: Mapping[str, str]  # those that do not fit the encoder, and why
    all_strategies: tuple[str, ...]
    backbone: str
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

    @property
    def failed(self) -> list[str]:
        return [name for name in self.strategies if name in self.ended - self.measured]
