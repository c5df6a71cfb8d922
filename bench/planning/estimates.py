"""Estimates how long cells take and how much memory they need: from recorded cells, else from their operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from bench.contracts import Cell
from bench.models.catalog import kind_of
from bench.runs.record import Record, Seconds

Basis = Literal["recorded", "scaled", "assumed"]
"""The same cell but for its seed; other cells, by the ratio of their operations; an assumed speed."""

GPU_RATE = 2e13
"""Operations a second that a cell as a whole is assumed to reach on a GPU."""

REACHED = 0.6
"""The share of a large fp32 matrix product's rate that a cell as a whole reaches on a CPU."""

REACHED_LOW = {"cpu": 0.25, "cuda": 0.05}
"""The same, of the rate in the precision in which cells compute, which a worker measures in its first seconds. On a
CPU, cells of suite `quick` reach 0.17 to 0.55."""

SHARED = 3.0
"""Seconds to read rows and load a backbone, where nothing has run."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of a cell's own work (training, evaluation; where no cell but for its seed has run, the frozen prefix
    too), bytes at its peak (0: unknown), and what they are based on."""

    seconds: float
    memory: int
    basis: Basis


@dataclass(frozen=True)
class Sample:
    """A cell that has run: seconds of its own work, of its frozen prefix, and of preparing what its group shares;
    bytes; operations, those of the prefix included."""

    cell: Cell
    own: float
    prefix: float
    shared: float
    memory: int
    operations: float


def _own(took: Seconds) -> float:
    """Seconds of the cell itself, rates that were tried and rejected included."""
    return took.train + took.evaluate + took.compile + took.tune


def _one(cell: Cell) -> float:
    return 1.0


def _none(cell: Cell) -> float:
    return 0.0


class Estimator:
    """Learns from finished cells; estimates follow those that are most similar.

    operations: of a cell (`Workload.operations`); without it all cells count as equal. rate: operations per second
    to assume where nothing has run, replaced by what records say of their machine; among cells of another kind it
    weighs as much as one of them. None: unknown. prefix: how many of the operations are done once for all seeds."""

    def __init__(
        self,
        operations: Callable[[Cell], float] = _one,
        rate: float | None = None,
        prefix: Callable[[Cell], float] = _none,
    ) -> None:
        self._operations = operations
        self._prefix = prefix
        self._rate = rate
        self._samples: list[Sample] = []

    @property
    def has_samples(self) -> bool:
        return bool(self._samples)

    def learn(self, records: Iterable[Record]) -> None:
        """Learn from records alone, each of which is charged for all that its cell shares with its group."""
        for record in records:
            self._add(record, record.seconds.prepare)

    def observe(self, record: Record, wall: float, first: bool) -> None:
        """Learn from a cell that has just run for `wall` seconds. first: it was the first of its group."""
        took = record.seconds
        self._add(record, max(0.0, wall - _own(record.seconds) - took.prefix) if first else 0.0)

    def cell(self, cell: Cell) -> Estimate:
        """What one cell takes, without reading rows and loading its backbone."""
        operations = self._operations(cell)
        same = [sample for sample in self._alike(cell) if sample.cell.strategy == cell.strategy]
        same = [sample for sample in same if sample.operations > 0]
        if same:
            pace = median(sample.own / sample.operations for sample in same)
            exact = all(sample.cell.recipe == cell.recipe for sample in same)
            return Estimate(operations * pace, _memory(same), "recorded" if exact else "scaled")
        pool = self._pool(cell)
        if pool:
            return Estimate(operations * self._pace(pool, operations), _memory(pool), "scaled")
        return Estimate(operations / self._rate if self._rate else 0.0, 0, "assumed")

    def shared(self, cell: Cell) -> float:
        """Seconds to prepare what the cell's group shares."""
        backbone = [sample for sample in self._samples if sample.cell.backbone == cell.backbone]
        for alike in (self._alike(cell), backbone, self._samples):
            found = [sample.shared for sample in alike if sample.shared]
            if found:
                return median(found)
        return SHARED

    def total(self, cells: Iterable[Cell], begun: Iterable[tuple[str, str]] = ()) -> float:
        """Seconds of cells one after another; (task, backbone) in `begun` share what is made already."""
        begun = set(begun)
        seen: set[tuple[str, ...]] = set(begun)
        seconds = 0.0
        for cell in cells:
            group, kind = (cell.task, cell.backbone), (cell.task, cell.backbone, cell.strategy)
            again = kind in seen
            seconds += self._seconds(cell, again, group in begun)
            if group not in seen:
                seconds += self.shared(cell)
            seen |= {group, kind}
        return seconds

    def _seconds(self, cell: Cell, again: bool, begun: bool) -> float:
        """Seconds of one cell in a row. again: another seed of it comes before; begun: its group has begun."""
        found = self.cell(cell)
        same = [sample for sample in self._alike(cell) if sample.cell.strategy == cell.strategy]
        if same:
            return found.seconds + (0.0 if again or begun else median(sample.prefix for sample in same))
        operations = self._operations(cell)
        share = 1 - self._prefix(cell) / operations if again and operations else 1.0
        return found.seconds * share

    def _pace(self, pool: list[Sample], operations: float) -> float:
        """Seconds an operation of cells of another kind, and of the assumed rate, as if it were one more cell."""
        seconds = sum(sample.own + sample.prefix for sample in pool)
        done = sum(sample.operations for sample in pool)
        if self._rate:
            seconds, done = seconds + operations / self._rate, done + operations
        return seconds / done

    def _add(self, record: Record, shared: float) -> None:
        if record.status != "done":
            return
        operations = self._operations(record.cell)
        sample = Sample(
            record.cell, _own(record.seconds), record.seconds.prefix, shared, record.peak_memory, operations
        )
        self._samples.append(sample)
        if self._rate and record.machine and record.machine.rate:
            kind = "cpu" if record.machine.device == "cpu" else "cuda"
            self._rate = REACHED_LOW[kind] * record.machine.rate

    def _alike(self, cell: Cell) -> list[Sample]:
        """The samples on the cell's task and backbone."""
        key = cell.task, cell.backbone
        return [sample for sample in self._samples if (sample.cell.task, sample.cell.backbone) == key]

    def _pool(self, cell: Cell) -> list[Sample]:
        """The samples of other strategies and tasks that say most: on the same backbone, else on one of the same
        kind (word vectors say nothing about encoders). Without operations, those of its strategy come first."""
        found = [sample for sample in self._samples if sample.operations > 0]
        backbone = [sample for sample in found if sample.cell.backbone == cell.backbone]
        if self._operations is _one:
            strategy = [sample for sample in backbone if sample.cell.strategy == cell.strategy]
            task = [sample for sample in backbone if sample.cell.task == cell.task]
            return strategy or task or backbone or found
        kind = kind_of(cell.backbone)
        return backbone or [sample for sample in found if kind_of(sample.cell.backbone) == kind]


def _memory(samples: Iterable[Sample]) -> int:
    return int(median(sample.memory for sample in samples))


def assumed_rate(device: str = "auto") -> float:
    """Operations per second to assume before anything has run: on a CPU, measured with a matrix product of
    numpy."""
    if device != "cpu" and Path("/proc/driver/nvidia/version").exists():
        return GPU_RATE
    import numpy as np

    size = 512
    matrix = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        _ = matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return REACHED * 2 * size**3 / min(seconds)
