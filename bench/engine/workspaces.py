"""Keeps the workspace of a strategy for its next seed or learning rate.

Capturing the steps of a cell can take as long as training it. Cells of a group that differ in seed or learning rate
have the same model in the same shapes, so the next one starts by copying its initial values into the same buffers.
On a GPU they follow one another (bench.executors.groups).
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from typing import Any

from bench.contracts import Cell, Recipe
from bench.data.batches import Split
from bench.engine.model import Model
from bench.engine.optimizer import memberships
from bench.engine.plan import Plan
from bench.engine.workspace import Workspace


@dataclass(frozen=True)
class _Kept:
    """A workspace, and what a cell must have in common with the one that it was made for."""

    terms: tuple[Any, ...]
    workspace: Workspace


class Workspaces:
    """One workspace at most, of the strategy that ran last. lane: of its cells, among those that train on the
    device at once."""

    def __init__(self, lane: int = 0) -> None:
        self._lane = lane
        self._kept: _Kept | None = None

    def make_room(self, cell: Cell) -> None:
        """Free what this cell cannot use, before its memory is measured."""
        if self._kept and self._kept.terms[0] != _strategy(cell):
            self.forget()
            gc.collect()  # compiled layers refer to themselves

    def of(self, cell: Cell, model: Model, plan: Plan, split: Split) -> Workspace:
        """A workspace that holds this model's initial values: the kept one, or else a new one, which is kept where
        the device pads batches to a few shapes. A cell that was pretrained has a prefix of its own, which no other
        one reads: what it left would only take memory."""
        terms = (_strategy(cell), *_structure(model, plan, split, cell.recipe))
        if self._kept and self._kept.terms == terms:
            self._kept.workspace.restart(model, plan)
            return self._kept.workspace
        self.forget()
        workspace = Workspace(model, plan, split, cell.recipe, self._lane)
        if model.device.pads and not plan.pretraining:
            self._kept = _Kept(terms, workspace)
        return workspace

    def keeps(self, workspace: Workspace) -> bool:
        """Whether other cells may train in this workspace."""
        return self._kept is not None and self._kept.workspace is workspace

    @property
    def captures(self) -> int:
        """How many steps the kept workspace has captured."""
        return self._kept.workspace.captures if self._kept else 0

    def forget(self) -> None:
        self._kept = None


def _strategy(cell: Cell) -> tuple[Any, ...]:
    return cell.strategy, cell.options


def _structure(model: Model, plan: Plan, split: Split, recipe: Recipe) -> tuple[Any, ...]:
    """All that a captured step depends on, besides the values in its buffers."""
    groups = [
        (member.names, member.active, member.decay, member.dtype, member.anchor)
        for member in memberships(model.parameters(), plan, recipe, model.device.dtype)
    ]
    phases = [(phase.steps, phase.frozen, phase.shared) for phase in plan.phases]
    shapes = {name: tuple(parameter.shape) for name, parameter in model.parameters().items()}
    places = (id(model.prefix), id(split), model.micro_batch, model.device, model.backbone.compiled)
    return groups, phases, shapes, places, replace(recipe, rate_scale=1.0, tune=())
