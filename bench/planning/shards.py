"""Divides a suite among machines that share nothing: `run --shard 2/3`.

Cells that share a prefix stay together, unless their group alone exceeds a machine's part. The division depends
on the request alone, so that machines need not communicate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contracts import BenchError, Cell
from bench.planning.workload import Workload
from bench.registry import Registry


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From `2/3`; BenchError for anything else."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise BenchError(
                f"--shard {text[:60]}: write it as i/n with i from 1 to n, for example 2/3",
                code="wrong-shard",
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def suffix(self) -> str:
        """For the name of its run folder."""
        return f"-shard-{self.number}-of-{self.count}"


def part(cells: Sequence[Cell], shard: Shard, registry: Registry) -> list[Cell]:
    """The shard's cells, in the order of `cells`. BenchError where there are more shards than cells."""
    if shard.count > len(cells):
        raise BenchError(
            f"--shard {shard.number}/{shard.count}: there are only {len(cells)} cells to divide",
            code="more-shards-than-cells",
        )
    for backbone in {cell.backbone for cell in cells}:
        registry.depth(backbone)  # reads its configuration, so that all machines expect the same of it
    workload = Workload(registry)
    costs = {cell.id: max(workload.operations(cell), 1.0) for cell in cells}
    mine = divide(cells, costs, shard.count)[shard.number - 1]
    return [cell for cell in cells if cell.id in mine]


def divide(cells: Sequence[Cell], costs: dict[str, float], count: int) -> list[set[str]]:
    """Cell ids by shard: pieces of groups, the most expensive first, each to the shard with the least work so
    far (Graham 1969, SIAM J. Appl. Math. 17). No shard is empty."""
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
    """A group in one piece, or in parts of about an even share where it exceeds one."""
    total = sum(costs[cell.id] for cell in group)
    count = min(len(group), max(1, round(total / even)))
    pieces: list[list[Cell]] = [[] for _ in range(count)]
    reached = 0.0
    for cell in group:
        pieces[min(int(reached / total * count), count - 1)].append(cell)
        reached += costs[cell.id]
    return [piece for piece in pieces if piece]
