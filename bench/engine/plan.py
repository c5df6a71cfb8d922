"""The plan of a cell: a strategy's phases as steps, rates of named parameters and frozen prefixes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.contracts import Phase, Recipe, Strategy, block_of, check_coverage, frozen_blocks


@dataclass(frozen=True)
class PlannedPhase:
    """A phase, ready to run.

    steps: optimizer steps. rates: learning rate by parameter name, learning ones only.
    frozen: how many leading blocks (embeddings, then layers) hold nothing that learns.
    shared: the frozen blocks still hold the backbone's given weights, so their activations can be shared.
    patience: evaluations without a lower validation loss that end the phase; 0: none do.
    """

    steps: int
    rates: dict[str, float]
    frozen: int
    shared: bool
    patience: int = 0


@dataclass(frozen=True)
class Parameters:
    """What a plan has to know of a model.

    names: canonical, the head's included. depth: layers of the encoder. changed: blocks into which the strategy
    inserted modules; their activations are never shared."""

    names: Sequence[str]
    depth: int
    changed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plan:
    """All phases of a cell."""

    phases: tuple[PlannedPhase, ...]
    solver: Literal["adamw", "lbfgs"] = "adamw"

    @classmethod
    def of(cls, strategy: Strategy, parameters: Parameters, recipe: Recipe, steps_per_epoch: int) -> Plan:
        """The strategy's phases on a model with these parameters.

        Raises BenchError, naming strategy and parameter, where the phases do not fit."""
        names = parameters.names
        phases = strategy.checked_phases(parameters.depth)
        check_coverage(strategy, phases, names)
        total = max(len(phases), round(recipe.epochs * steps_per_epoch))
        planned: list[PlannedPhase] = []
        trained = set(parameters.changed)
        last = len(phases) - 1
        for number, (phase, steps) in enumerate(zip(phases, _steps(phases, total), strict=True)):
            rates = {name: rate * recipe.rate_scale for name in names if (rate := phase.rate(name))}
            frozen = frozen_blocks(phase, names, parameters.depth)
            shared = strategy.pretrained and not any(block < frozen for block in trained)
            patience = phase.patience or (recipe.patience if number == last else 0)
            planned.append(PlannedPhase(steps, rates, frozen, shared, patience))
            trained |= {block_of(name) for name in rates if not name.startswith("head.")}
        return cls(tuple(planned), phases[0].solver)

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def learning(self) -> dict[str, tuple[float, ...]]:
        """Every parameter that learns in some phase, with its rate in each phase (0: frozen)."""
        names = dict.fromkeys(name for phase in self.phases for name in phase.rates)
        return {name: tuple(phase.rates.get(name, 0.0) for phase in self.phases) for name in names}

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The frozen prefixes whose activations can be shared, by number of blocks, ascending."""
        return tuple(sorted({phase.frozen for phase in self.phases if phase.shared and phase.frozen}))


def _steps(phases: Sequence[Phase], total: int) -> list[int]:
    """Steps of each phase: at least one each, `total` in all, as near to the shares as whole steps allow."""
    edges = [0]
    share = 0.0
    for number, phase in enumerate(phases, 1):
        share += phase.share
        left = len(phases) - number
        edges.append(min(max(round(total * share), edges[-1] + 1), total - left))
    return [stop - start for start, stop in itertools.pairwise(edges)]
