"""What `run --per-device` gains: seeds that train at once on a device, against one after another.

Captures are made beforehand on both sides, so that only training and validation are timed. In a run, each of the
seeds at once captures anew for every strategy, which short training does not repay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from bench.contracts import Cell
from bench.engine.cell import training
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.seeds_at_once import Seeds
from bench.engine.workspaces import Workspaces

SEEDS = 4


@dataclass(frozen=True)
class AtOnce:
    """in_turn, together: seconds of training `seeds` seeds of a strategy, one after another and at once."""

    strategy: str
    seeds: int
    in_turn: float
    together: float

    @property
    def gain(self) -> float:
        return self.in_turn / self.together if self.together else 0.0


def measure(cell: Cell, context: RunContext) -> AtOnce:
    """Train seeds of the cell in both ways, in graphs that are captured already."""
    group = prepare_group(cell, context)
    cells = [replace(cell, seed=seed) for seed in range(1 + 2 * SEEDS)]
    alone = _seconds(cells[: 1 + SEEDS], group, context)
    # the first of the cells trains alone, and in the next ones every lane captures its steps
    at_once = _seconds(cells, group, replace(context, per_device=SEEDS))
    return AtOnce(cell.strategy, SEEDS, sum(alone[1:]), sum(at_once[1 + SEEDS :]))


def _seconds(cells: Sequence[Cell], group: CellGroup, context: RunContext) -> list[float]:
    """Of what is done when each cell is asked for: of seeds at once all of it for the first of them."""
    group = replace(group, workspaces=Workspaces())
    seeds = Seeds(cells, group, context, partial(training, context=context))
    found = []
    for cell in cells:
        began = perf_counter()
        seeds.trained(cell, lambda _: None)
        found.append(perf_counter() - began)
        seeds.timed(cell)
    return found
