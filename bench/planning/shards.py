"""A part of a suite for one machine of several that share nothing: `run --shard 2/3`.

Cells that share a prefix stay together, unless their group alone is more than a machine's part. The division
depends on the request alone, so that machines need not talk to each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contracts import FROZEN, BenchError, Cell
from bench.data.sources import Sources
from bench.models import catalog
from bench.registry import Plugins

UNKNOWN_EXAMPLES = 10_000  # of a task that trains on all it has
ONLY_HEAD = 0.3  # of what a cell costs that trains the encoder too


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From `2/3`; BenchError for anything else."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise BenchError(f"--shard {text}: write it as i/n with i from 1 to n, for example 2/3")
        return cls(int(found[1]), int(found[2]))

    @property
    def suffix(self) -> str:
        """For the name of its run folder."""
        return f"-shard-{self.number}-of-{self.count}"


def part(cells: Sequence[Cell], shard: Shard, plugins: Plugins, sources: Sources) -> list[Cell]:
    """The shard's cells, in the order of `cells`. BenchError where there are more shards than cells."""
    if shard.count > len(cells):
        raise BenchError(f"--shard {shard.number}/{shard.count}: there are only {len(cells)} cells to divide")
    costs = {cell.id: cost(cell, plugins, catalog.depth(cell.backbone, sources)) for cell in cells}
    mine = divide(cells, costs, shard.count)[shard.number - 1]
    return [cell for cell in cells if cell.id in mine]


def divide(cells: Sequence[Cell], costs: dict[str, float], count: int) -> list[set[str]]:
    """Cell ids by shard: pieces of groups, the dearest first, each to the shard that has least so far
    (Graham 1969, SIAM J. Appl. Math. 17). No shard is empty."""
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group_key, []).append(cell)
    even = sum(costs.values()) / count
    pieces = [piece for group in groups.values() for piece in _pieces(group, costs, even)]
    while len(pieces) < count:
        largest = max(range(len(pieces)), key=lambda i: len(pieces[i]))
        half = len(pieces[largest]) // 2
        pieces[largest : largest + 1] = [pieces[largest][:half], pieces[largest][half:]]
    shards: list[set[str]] = [set() for _ in range(count)]
    loads = [0.0] * count
    for piece in sorted(pieces, key=lambda piece: -sum(costs[cell.id] for cell in piece)):
        least = min(range(count), key=lambda i: (loads[i], len(shards[i]), i))
        shards[least].update(cell.id for cell in piece)
        loads[least] += sum(costs[cell.id] for cell in piece)
    return shards


def _pieces(group: Sequence[Cell], costs: dict[str, float], even: float) -> list[list[Cell]]:
    """A group as it is, or in parts of about an even share where it is more than one."""
    total = sum(costs[cell.id] for cell in group)
    count = min(len(group), max(1, round(total / even)))
    pieces: list[list[Cell]] = [[] for _ in range(count)]
    reached = 0.0
    for cell in group:
        pieces[min(int(reached / total * count), count - 1)].append(cell)
        reached += costs[cell.id]
    return [piece for piece in pieces if piece]


def cost(cell: Cell, plugins: Plugins, depth: int) -> float:
    """What a cell costs, in token passes through a block: a relative measure, from its request alone."""
    recipe = cell.recipe
    tokens = (recipe.train or UNKNOWN_EXAMPLES) * recipe.max_length
    share = ONLY_HEAD if only_head_learns(cell, plugins, depth) else 1.0
    return tokens * recipe.epochs * (depth + 1) * share


def only_head_learns(cell: Cell, plugins: Plugins, depth: int) -> bool:
    """Whether the encoder is frozen in every phase; also where the strategy does not fit this depth at all."""
    try:
        phases = plugins.strategy(cell.strategy, cell.options).checked_phases(depth)
    except BenchError:
        return True
    return all(rate == FROZEN for phase in phases for _, rate in phase.rates)
