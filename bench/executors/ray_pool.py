"""The workers of a Ray cluster as the driver sees them, and the cells that wait for workers of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.executors.groups import Key
from bench.executors.waiting import Held, Waiting


@dataclass(frozen=True)
class Share:
    """What a worker asks of its node."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")

    def fits(self, resources: dict[str, float]) -> int:
        """How many such workers a node with these resources holds."""
        counts = [resources.get("CPU", 0) / self.cpus]
        if self.gpus:
            counts.append(resources.get("GPU", 0) / self.gpus)
        return int(min(counts))


class Hand:
    """An actor as the driver sees it: starting, idle, or running a job."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.task: Any = actor.hello.remote()  # what it is at; None while it is idle
        self.node = ""  # once it is ready
        self.held: Held | None = None
        self.key: Key | None = None

    def give(self, held: Held, adaptations: tuple[str, ...]) -> None:
        self.held, self.key = held, held.cell.group_key
        self.task = self.actor.run.remote(held.cells, adaptations)


class Pool:
    """The cells that ask for one share of a node, and the hands that have it."""

    def __init__(self, share: Share, waiting: Waiting) -> None:
        self.share = share
        self.waiting = waiting
        self.again: list[Held] = []  # lost with their hand
        self.hands: list[Hand] = []

    @property
    def left(self) -> int:
        """Cells that no hand has."""
        return len(self.waiting) + sum(len(held.cells) for held in self.again)

    def next_for(self, hand: Hand) -> Held | None:
        """The hand's next job: a lost one waits for a hand that has its group ready, or has nothing else to do."""
        for held in self.again:
            if held.cell.group_key == hand.key:
                self.again.remove(held)
                return held
        taken = [other.key for other in self.hands if other is not hand and other.key]
        return self.waiting.take(hand.key, taken) or (self.again.pop(0) if self.again else None)

    def lacking(self, room: int) -> int:
        """How many more hands would have something to do, where there is room for so many in all."""
        unoccupied = sum(hand.held is None for hand in self.hands)
        return max(0, min(room - len(self.hands), self.left - unoccupied))
