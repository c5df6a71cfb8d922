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
    gpus: int

    def __str__(self) -> str:
        return f"{self.cpus} CPU" + (f" and {self.gpus} GPU" if self.gpus else "")

    def fits(self, resources: dict[str, float]) -> int:
        """How many such workers a node with these resources holds."""
        counts = [resources.get("CPU", 0) / self.cpus]
        if self.gpus:
            counts.append(resources.get("GPU", 0) / self.gpus)
        return int(min(counts))


class ActorHandle:
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
    """The cells that ask for one share of a node, and the handles that have it."""

    def __init__(self, share: Share, waiting: Waiting) -> None:
        self.share = share
        self.waiting = waiting
        self.again: list[Held] = []  # lost with their handle
        self.handles: list[ActorHandle] = []

    @property
    def left(self) -> int:
        """Cells that no handle has."""
        return len(self.waiting) + sum(len(held.cells) for held in self.again)

    def next_for(self, handle: ActorHandle) -> Held | None:
        """The next job: a lost one waits for a handle that has its group ready, or has nothing else to do."""
        for held in self.again:
            if held.cell.group_key == handle.key:
                self.again.remove(held)
                return held
        taken = [other.key for other in self.handles if other is not handle and other.key]
        return self.waiting.take(handle.key, taken) or (self.again.pop(0) if self.again else None)

    def lacking(self, room: int) -> int:
        """How many more handles would have something to do, where there is room for so many in all."""
        unoccupied = sum(handle.held is None for handle in self.handles)
        return max(0, min(room - len(self.handles), self.left - unoccupied))
