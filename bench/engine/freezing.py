"""Freezing that grows while a phase trains (AutoFreeze: Liu et al. 2021, arXiv 2102.01386).

The gradients of each layer are summed from one validation pass to the next. A layer has settled where the relative
change of the L1 norm of that sum is below a percentile of the changes of all layers that still learn. The lowest
layers freeze, up to the first one that has not settled. Embeddings take no part in the percentile and freeze with
the first layer. All of this is as in the authors' code.

Blocks that have frozen run once over the rows, from the boundary before; what leaves them is kept in a cache of the
cell's own. Moments, schedule and the best state stay as they are. The best state may be older than a boundary, with
other weights below it: at the end of training the cache is dropped, and test rows run through all blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from bench.engine.compiling import uncompiled
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prefix import Prefix
from bench.engine.workspace import Workspace

TINY = 1e-30
"""A norm below it counts as this one: nothing is divided by zero."""


@dataclass(frozen=True)
class Boundary:
    """Where blocks froze while a phase ran.

    phase: its place in the plan. step: steps of the phase before. frozen: leading blocks that learn no longer.
    kept: leading blocks whose activations of training rows come from a cache; the others run without gradients."""

    phase: int
    step: int
    frozen: int
    kept: int


def frozen_after(boundaries: Sequence[Boundary], steps: Sequence[int]) -> dict[str, float]:
    """The boundaries, for the record: how many leading blocks were frozen (the embeddings are the first), and after
    how many steps of training. steps: of each phase."""
    return {
        f"frozen-after-step-{sum(steps[: one.phase]) + one.step}": float(one.frozen) for one in boundaries
    }


def as_trained(
    plan: Plan, steps: Sequence[int], boundaries: Sequence[Boundary]
) -> tuple[Plan, tuple[int, ...]]:
    """The plan with a phase of its own from each boundary on, and the steps of each. steps: those taken in each
    phase that was begun."""
    phases, taken = [], []
    for number, (phase, all_steps) in enumerate(zip(plan.phases, steps, strict=False)):
        mine = [one for one in boundaries if one.phase == number]
        grown = [phase.above(one.frozen, one.kept) for one in mine]
        edges = [0, *(one.step for one in mine), all_steps]
        phases += [phase, *grown]
        taken += [stop - start for start, stop in itertools.pairwise(edges)]
    return replace(plan, phases=tuple(phases)), tuple(taken)


def changes(before: Mapping[int, float], now: Mapping[int, float]) -> dict[int, float]:
    """How much the gradient norm of each block has changed, relative to what it was."""
    return {block: abs(before[block] - norm) / max(before[block], TINY) for block, norm in now.items()}


def lowest_unsettled(changed: Mapping[int, float], percentile: float) -> int:
    """The lowest of these layers that has not settled. The layer with the largest change never has."""
    threshold = np.percentile(list(changed.values()), percentile)
    unsettled = (block for block, change in sorted(changed.items()) if change >= threshold)
    return next(unsettled, max(changed))


@dataclass
class Freezing:
    """Freezes blocks of the model in a workspace. epoch: steps of one pass over the training rows."""

    workspace: Workspace
    epoch: int
    boundaries: list[Boundary] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._given = self.workspace.model
        self._cache: Prefix | None = None
        self._number, self._phase = 0, self.workspace.phase
        self._norms: dict[int, float] = {}
        self._read_at = 0

    def enter(self, number: int, phase: PlannedPhase) -> None:
        """Begin a phase of the plan."""
        self.finish()
        self.workspace.enter(number, phase)
        self._number, self._phase = number, phase
        self._norms, self._read_at = {}, 0
        self.workspace.optimizer.take_totals()  # a phase starts from zero

    def advance(self, step: int) -> None:
        """Freeze what has settled, after a validation pass, `step` steps into a phase whose blocks may freeze."""
        if step >= self._phase.steps:
            return
        totals = self.workspace.optimizer.take_totals()
        # of a step: the first interval of a phase may be shorter
        norms = {block: total / (step - self._read_at) for block, total in totals.items() if block}
        before, self._norms, self._read_at = self._norms, norms, step
        if not before or not norms:
            return
        frozen = lowest_unsettled(changes(before, norms), self._phase.freeze)
        if frozen > min(norms):
            self._freeze(frozen, step)

    def finish(self) -> None:
        """Drop the cache: the best state may have other weights below a boundary."""
        if self._cache is not None:
            self.workspace.forget_above(self._number, self._phase.frozen)
        self.workspace.model, self._cache = self._given, None

    def _freeze(self, frozen: int, step: int) -> None:
        left = self._phase.steps - step
        kept = 0
        if self._given.prefix:
            cache = self._cache or self._first_cache(self._given.prefix)
            for block in range(frozen):
                for module in self._given.backbone.modules_of(block):
                    module.eval()
            with uncompiled() if self.workspace.split.ladder.fixed else nullcontext():
                if left >= self.epoch:  # else it costs less to run the rows that are still to come
                    _move(cache, "train", frozen)
                _move(cache, "validation", frozen)
            kept = cache.highest("train", frozen)
            self._cache, self.workspace.model = cache, replace(self._given, prefix=cache)
        grown = self._phase.above(frozen, frozen)
        self.workspace.enter(self._number, replace(grown, steps=left))
        self.boundaries.append(Boundary(self._number, step, frozen, kept))

    def _first_cache(self, given: Prefix) -> Prefix:
        """A cache for the weights at hand, with what the phase has read so far."""
        cache = given.of(self._given.backbone)
        if self._phase.shared and self._phase.frozen:
            for split in ("train", "validation"):
                cache.borrow(given, split, self._phase.frozen)
        return cache


def _move(cache: Prefix, split: str, boundary: int) -> None:
    """Keep the activations at a boundary in place of those at the one before."""
    before = cache.highest(split, boundary)
    cache.fill(split, (boundary,))
    if before < cache.highest(split, boundary):
        cache.drop(split, before)
