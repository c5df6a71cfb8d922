"""Estimates how long cells take and how much memory they need: from recorded cells, else from their operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from bench.contracts import Cell
from bench.runs.record import Record, Seconds

Basis = Literal["recorded", "scaled", "assumed"]
"""The same cell but for its seed; other cells, by the ratio of their operations; an assumed speed."""

GPU_RATE = 2e13
"""Operations a second that a cell as a whole is assumed to reach on a GPU."""

REACHED = 0.6
"""The share of a large fp32 matrix product's rate that a cell as a whole reaches on a CPU."""

SHARED = 3.0
"""Seconds to read rows and load a backbone, where nothing has run."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of a cell's own work (training, evaluation), bytes at its peak (0: unknown), and what they are
    based on."""

    seconds: float
    memory: int
    basis: Basis


@dataclass(frozen=True)
class Sample:
    """A cell that has run: seconds of its own work, seconds of what its group shares, bytes, operations."""

    cell: Cell
    own: float
    shared: float
    memory: int
    operations: float


def _own(took: Seconds) -> float:
    """Seconds of the cell itself, rates that were tried and rejected included."""
    return took.train + took.evaluate + took.compile + took.tune


def _one(cell: Cell) -> float:
    return 1.0


class Estimator:
    """Learns from finished cells; estimates are medians over those that are most similar.

    operations: of a cell (`workload.Workload`); without it all cells count as equal. rate: operations per
    second to assume where nothing has run; among cells of another kind it counts as one of them. None: unknown."""

    def __init__(self, operations: Callable[[Cell], float] = _one, rate: float | None = None) -> None:
        self._operations = operations
        self._rate = rate
        self._samples: list[Sample] = []

    @property
    def has_samples(self) -> bool:
        return bool(self._samples)

    def learn(self, records: Iterable[Record]) -> None:
        """Learn from records alone, each of which is charged for all that its cell shares with its group."""
        for record in records:
            if record.status == "done":
                took = record.seconds
                self._add(record, _own(took), took.prepare + took.prefix)

    def observe(self, record: Record, wall: float, first: bool) -> None:
        """Learn from a cell that has just run for `wall` seconds. first: it was the first of its group."""
        if record.status == "done":
            own = _own(record.seconds)
            self._add(record, own if first else wall, max(0.0, wall - own) if first else 0.0)

    def cell(self, cell: Cell) -> Estimate:
        """What one cell takes, without what it shares."""
        operations = self._operations(cell)
        for number, alike in enumerate(self._levels(cell)):
            found = [sample for sample in alike if sample.operations > 0]
            if found:
                pace = [sample.own / sample.operations for sample in found]
                if number and self._rate:  # cells of another kind alone would mislead
                    pace.append(1 / self._rate)
                memory = int(median(sample.memory for sample in found))
                exact = number == 0 and all(sample.cell.recipe == cell.recipe for sample in found)
                return Estimate(operations * median(pace), memory, "recorded" if exact else "scaled")
        return Estimate(operations / self._rate if self._rate else 0.0, 0, "assumed")

    def shared(self, cell: Cell) -> float:
        """Seconds to make what the cell's group shares."""
        for alike in self._levels(cell, by_strategy=False):
            found = [sample.shared for sample in alike if sample.shared]
            if found:
                return median(found)
        return SHARED

    def total(self, cells: Iterable[Cell], begun: Iterable[tuple[str, str]] = ()) -> float:
        """Seconds of cells one after another; (task, backbone) in `begun` share what is made already."""
        seen = set(begun)
        seconds = 0.0
        for cell in cells:
            seconds += self.cell(cell).seconds
            if (cell.task, cell.backbone) not in seen:
                seen.add((cell.task, cell.backbone))
                seconds += self.shared(cell)
        return seconds

    def _add(self, record: Record, own: float, shared: float) -> None:
        operations = self._operations(record.cell)
        self._samples.append(Sample(record.cell, own, shared, record.peak_memory, operations))

    def _levels(self, cell: Cell, by_strategy: bool = True) -> Iterator[list[Sample]]:
        """Samples in order of decreasing similarity."""
        backbone = [sample for sample in self._samples if sample.cell.backbone == cell.backbone]
        task = [sample for sample in backbone if sample.cell.task == cell.task]
        if by_strategy:
            yield [sample for sample in task if sample.cell.strategy == cell.strategy]
            yield [sample for sample in backbone if sample.cell.strategy == cell.strategy]
        yield task
        yield backbone
        yield self._samples


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
