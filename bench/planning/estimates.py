"""Estimates how long cells take and how much memory they need: from recorded cells, else from their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from bench.contracts import Cell
from bench.models.catalog import kind_of
from bench.planning.machine_speed import Speed, reached
from bench.runs.record import Record, Seconds

Basis = Literal["recorded", "scaled", "assumed"]
"""The same cell but for its seed; other cells, by the ratio of their operations; an assumed speed."""

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
    bytes; operations, and those of the prefix among them."""

    cell: Cell
    own: float
    prefix: float
    shared: float
    memory: int
    operations: float
    frozen: float


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
    to assume where nothing has run, replaced by what records say of their machine; it weighs as much as one cell
    among those of a task, and as one task among tasks. None: unknown. prefix: how many of the operations are done
    once for all seeds."""

    def __init__(
        self,
        operations: Callable[[Cell], float] = _one,
        rate: float | None = None,
        prefix: Callable[[Cell], float] = _none,
    ) -> None:
        self._is_counted = operations is not _one
        self._operations = _once_a_group(operations)
        self._frozen = _once_a_group(prefix)
        self._is_assumed = rate is not None
        self._speed = Speed(rate or 1.0, rate or 1.0)
        self._samples: dict[tuple[str, str], list[Sample]] = {}  # by backbone and task

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
        same = [sample for sample in self._same(cell) if sample.operations > 0]
        if same:
            pace = median(sample.own / sample.operations for sample in same)
            exact = all(sample.cell.recipe == cell.recipe for sample in same)
            seconds = self._operations(cell) * pace
            return Estimate(seconds, _memory(same), "recorded" if exact else "scaled")
        pool = self._pool(cell)
        if pool:
            return Estimate(self._scaled(cell, pool), _memory(pool), "scaled")
        return Estimate(self._at_speed(cell) if self._is_assumed else 0.0, 0, "assumed")

    def shared(self, cell: Cell) -> float:
        """Seconds to prepare what the cell's group shares."""
        backbone = [sample for sample in self._all() if sample.cell.backbone == cell.backbone]
        for alike in (self._alike(cell), backbone, self._all()):
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
        same = self._same(cell)
        if same:
            return found.seconds + (0.0 if again or begun else median(sample.prefix for sample in same))
        whole = self._at_speed(cell)
        share = 1 - self._frozen(cell) / self._speed.frozen / whole if again and whole else 1.0
        return found.seconds * share

    def _at_speed(self, cell: Cell) -> float:
        """Seconds of a cell at the assumed speed, where it is known; else what they are in proportion to."""
        return self._seconds_at_speed(self._operations(cell), self._frozen(cell))

    def _seconds_at_speed(self, operations: float, frozen: float) -> float:
        return (operations - frozen) / self._speed.training + frozen / self._speed.frozen

    def _scaled(self, cell: Cell, pool: list[Sample]) -> float:
        """Seconds of a cell from cells of another kind. Those of its task count by their compute. Other tasks count
        alike, and the assumed speed as one of them: one whose texts are longer than assumed says little of the
        others. Together they count as one more cell of the task."""
        tasks: dict[str, list[Sample]] = {}
        for sample in pool:
            tasks.setdefault(sample.cell.task, []).append(sample)
        own = tasks.pop(cell.task, [])
        paces = [took / expected for took, expected in map(self._sums, tasks.values())]
        paces += [1.0] if self._is_assumed else []
        took, expected = self._sums(own)
        whole = self._at_speed(cell)
        if paces:
            took, expected = took + whole * median(paces), expected + whole
        return whole * took / expected if expected else 0.0

    def _sums(self, samples: Iterable[Sample]) -> tuple[float, float]:
        """All seconds of cells, and what they would be at the assumed speed."""
        found = list(samples)
        took = sum(sample.own + sample.prefix for sample in found)
        return took, sum(self._seconds_at_speed(sample.operations, sample.frozen) for sample in found)

    def _add(self, record: Record, shared: float) -> None:
        if record.status != "done":
            return
        took = record.seconds
        operations = self._operations(record.cell), self._frozen(record.cell)
        sample = Sample(record.cell, _own(took), took.prefix, shared, record.peak_memory, *operations)
        self._samples.setdefault((record.cell.backbone, record.cell.task), []).append(sample)
        if self._is_assumed and record.machine and record.machine.rate:
            self._speed = reached(record.machine)

    def _all(self) -> list[Sample]:
        return [sample for samples in self._samples.values() for sample in samples]

    def _alike(self, cell: Cell) -> list[Sample]:
        """The samples on the cell's task and backbone."""
        return self._samples.get((cell.backbone, cell.task), [])

    def _same(self, cell: Cell) -> list[Sample]:
        """Those of its strategy."""
        return [sample for sample in self._alike(cell) if sample.cell.strategy == cell.strategy]

    def _pool(self, cell: Cell) -> list[Sample]:
        """The samples of other strategies and tasks that say most: on the same backbone, else on one of the same
        kind (word vectors say nothing about encoders). Without operations, those of its strategy come first."""
        kind = kind_of(cell.backbone)
        kinds = {backbone: kind_of(backbone) for backbone in dict.fromkeys(key[0] for key in self._samples)}
        found = [
            sample
            for (backbone, _), samples in self._samples.items()
            for sample in samples
            if kinds[backbone] == kind and sample.operations > 0
        ]
        backbone = [sample for sample in found if sample.cell.backbone == cell.backbone]
        if not self._is_counted:
            strategy = [sample for sample in backbone if sample.cell.strategy == cell.strategy]
            task = [sample for sample in backbone if sample.cell.task == cell.task]
            return strategy or task or backbone or found
        return backbone or found


def _once_a_group(operations: Callable[[Cell], float]) -> Callable[[Cell], float]:
    """The operations of cells, computed once for all that differ in their seeds."""
    known: dict[Cell, float] = {}

    def once(cell: Cell) -> float:
        group = replace(cell, seed=0)
        if group not in known:
            known[group] = operations(cell)
        return known[group]

    return once


def _memory(samples: Iterable[Sample]) -> int:
    return int(median(sample.memory for sample in samples))
