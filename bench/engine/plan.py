"""The plan of a cell: a strategy's phases as steps, rates of named parameters and frozen prefixes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.contracts import Phase, Recipe, Strategy, block_of, check_coverage


@dataclass(frozen=True)
class PlannedPhase:
    """A phase, ready to run.

    steps: optimizer steps. rates: learning rate by parameter name, learning ones only.
    frozen: how many leading blocks (embeddings, then layers) hold nothing that learns.
    shared: the frozen blocks still hold the backbone's given weights, so their activations can be shared.
    patience: evaluations without a lower validation loss that end the phase; 0: none do.
    select: how many of the blocks that `rates` names learn, chosen by their gradients; 0: all.
    freeze: the percentile below which blocks freeze while the phase runs; 0: none do.
    kept: leading blocks whose activations the cell itself keeps, after blocks have frozen.
    """

    steps: int
    rates: dict[str, float]
    frozen: int
    shared: bool
    patience: int = 0
    select: int = 0
    freeze: float = 0.0
    kept: int = 0

    def above(self, frozen: int, kept: int) -> PlannedPhase:
        """The phase after so many leading blocks have frozen. kept: those whose activations a cache keeps."""
        rates = {
            name: rate
            for name, rate in self.rates.items()
            if name.startswith("head.") or block_of(name) >= frozen
        }
        return replace(self, rates=rates, frozen=frozen, shared=kept == frozen, kept=kept)


@dataclass(frozen=True)
class Pretraining:
    """Steps on an objective that is not the task's, before its phases. rates: as in a planned phase. random: the
    encoder starts from random weights."""

    objective: Literal["masked-lm", "contrastive"]
    steps: int
    rates: dict[str, float]
    random: bool = False


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
    """All phases of a cell. pretraining: what comes before the phases that train for the task. anchor, average: the
    strategy's options; they concern the phases that train for the task."""

    phases: tuple[PlannedPhase, ...]
    solver: Literal["adamw", "lbfgs"] = "adamw"
    pretraining: tuple[Pretraining, ...] = ()
    anchor: float = 0.0
    average: Literal["none", "swa", "wise-ft"] = "none"
    budget: int | None = None  # steps that the recipe gives to the phases for the task

    @classmethod
    def of(
        cls,
        strategy: Strategy,
        parameters: Parameters,
        recipe: Recipe,
        steps_per_epoch: int,
        chosen: Mapping[int, Collection[int]] | None = None,
    ) -> Plan:
        """The strategy's phases on a model with these parameters.

        chosen: the blocks that learn in a phase that selects, by the phase's number. Raises BenchError, naming
        strategy and parameter, where the phases do not fit."""
        names = parameters.names
        declared = strategy.checked_phases(parameters.depth)
        check_coverage(strategy, declared, names)
        phases = [phase for phase in declared if phase.objective == "task"]
        budget = round(recipe.epochs * steps_per_epoch)
        total = max(len(phases), budget)
        planned: list[PlannedPhase] = []
        trained = set(parameters.changed)
        last = len(phases) - 1
        for number, (phase, steps) in enumerate(zip(phases, _steps(phases, total), strict=True)):
            rates = _rates(phase, names, recipe)
            if chosen and number in chosen:
                rates = {name: rate for name, rate in rates.items() if _is_in(name, chosen[number])}
            blocks = (block_of(name) for name in rates if not name.startswith("head."))
            frozen = min(blocks, default=parameters.depth + 1)
            shared = strategy.pretrained and not any(block < frozen for block in trained)
            patience = phase.patience or (recipe.patience if number == last else 0)
            planned.append(PlannedPhase(steps, rates, frozen, shared, patience, phase.select, phase.freeze))
            trained |= {block_of(name) for name in rates if not name.startswith("head.")}
        before = tuple(
            Pretraining(
                phase.objective,
                max(1, round(phase.share * budget)),
                _rates(phase, names, recipe),
                random=not strategy.pretrained,
            )
            for phase in declared
            if phase.objective != "task"
        )
        return cls(tuple(planned), phases[0].solver, before, strategy.anchor, strategy.average, budget)

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def over_budget(self) -> tuple[str, ...]:
        """What a table says where there are more phases than steps: each phase takes one. A single step, the least
        that any strategy takes, is not mentioned."""
        if self.budget is None or self.steps <= max(self.budget, 1):
            return ()
        return (f"{self.steps} steps, one for each phase, where the recipe gives {self.budget}",)

    @property
    def learning(self) -> dict[str, tuple[float, ...]]:
        """Every parameter that learns in some phase, with its rate in each phase (0: frozen)."""
        names = dict.fromkeys(name for phase in self.phases for name in phase.rates)
        return {name: tuple(phase.rates.get(name, 0.0) for phase in self.phases) for name in names}

    @property
    def changing(self) -> set[str]:
        """Every parameter that learns, before the task's phases or in them."""
        before = {name for phase in self.pretraining for name in phase.rates if not name.startswith("head.")}
        return before | set(self.learning)

    @property
    def grows(self) -> bool:
        """Whether blocks freeze while a phase runs."""
        return any(phase.freeze for phase in self.phases)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The frozen prefixes whose activations can be shared, by number of blocks, ascending."""
        return tuple(sorted({phase.frozen for phase in self.phases if phase.shared and phase.frozen}))


def _rates(phase: Phase, names: Sequence[str], recipe: Recipe) -> dict[str, float]:
    scales = {True: recipe.rate_scale * recipe.head_rate_scale, False: recipe.rate_scale}
    return {name: rate * scales[name.startswith("head.")] for name in names if (rate := phase.rate(name))}


def _is_in(name: str, blocks: Collection[int]) -> bool:
    """Whether a parameter belongs to the head or to one of these blocks."""
    return name.startswith("head.") or block_of(name) in blocks


def _steps(phases: Sequence[Phase], total: int) -> list[int]:
    """Steps of each phase: at least one each, `total` in all, as near to the shares as whole steps allow."""
    edges = [0]
    share = 0.0
    for number, phase in enumerate(phases, 1):
        share += phase.share
        left = len(phases) - number
        edges.append(min(max(round(total * share), edges[-1] + 1), total - left))
    return [stop - start for start, stop in itertools.pairwise(edges)]
