"""What replaces the best validation state at the end of training: an average of states, or a mixture with the given
weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan

WEIGHTS = tuple(step / 10 for step in range(11))
"""Shares of the trained weights in a mixture, among which the validation loss decides (Wortsman et al. 2022, arXiv
2109.01903)."""

Judge = Callable[[], tuple[float, float]]
"""The validation loss and score of the model as it is."""


@dataclass(frozen=True)
class Averaged:
    """The state that was left in the model: its validation loss and score, and what the record says of it."""

    state: list[Tensor]
    loss: float
    score: float
    chosen: dict[str, float]


@dataclass
class Averaging:
    """Collects what the plan's `average` needs while a model trains. Make it before the first step."""

    plan: Plan
    optimizer: FlatAdamW
    _given: list[Tensor] = field(default_factory=list)
    _sum: list[Tensor] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        if self.plan.average == "wise-ft":
            self._given = self.optimizer.state()

    def take(self, phase: int) -> None:
        """Note the state at a validation pass of the phase with this number."""
        if self.plan.average != "swa" or phase < len(self.plan.phases) - 1:
            return
        self._count += 1
        if not self._sum:
            self._sum = self.optimizer.state()
            return
        for total, group in zip(self._sum, self.optimizer.groups, strict=True):
            total.add_(group.master.detach())

    def finish(self, best: list[Tensor], judge: Judge) -> Averaged | None:
        """Leave the averaged state in the model; None where the plan averages nothing. best: the state with the
        lowest validation loss."""
        if self.plan.average == "swa":
            state = [total / self._count for total in self._sum]
            self.optimizer.restore(state)
            loss, score = judge()
            return Averaged(state, loss, score, {"swa-states": self._count, "swa-loss": loss})
        if self.plan.average == "wise-ft":
            return self._mixture(best, judge)
        return None

    def _mixture(self, best: list[Tensor], judge: Judge) -> Averaged:
        """The mixture of given and best weights with the lowest validation loss; of equals, the one with the
        largest share of trained weights. The head is the trained one in all of them."""
        found: Averaged | None = None
        for weight in reversed(WEIGHTS):
            state = self._mixed(best, weight)
            self.optimizer.restore(state)
            loss, score = judge()
            if found is None or loss < found.loss:
                found = Averaged(state, loss, score, {"wise-ft-weight": weight, "wise-ft-loss": loss})
        assert found is not None
        self.optimizer.restore(found.state)
        return found

    def _mixed(self, best: list[Tensor], weight: float) -> list[Tensor]:
        """The masters of a mixture. Exactly the best state at 1."""
        mixed = [given.lerp(trained, weight) for given, trained in zip(self._given, best, strict=True)]
        for group, values, trained in zip(self.optimizer.groups, mixed, best, strict=True):
            for place in group.places("head."):
                values[place] = trained[place]
        return mixed
