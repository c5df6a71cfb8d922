"""Estimates how long cells take and how much memory they need: from recorded cells, else from their operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Literal

from bench.contracts import Cell
from bench.planning.drift import Drift
from bench.planning.levels import Levels, Measured, levels
from bench.planning.machine_speed import Speed, reached
from bench.planning.samples import Kind, Sample, Samples, kind_of
from bench.runs.record import Record, Seconds

Basis = Literal["recorded", "scaled", "assumed"]
"""The same cell but for its seed; other cells, by the ratio of their operations; an assumed speed."""

CONTRADICTION = math.log(5)
"""A plan that is wrong by more for word vectors is taken to be as wrong for encoders: rows were miscounted."""

_NOWHERE = ("", "")

SHARED = 3.0
"""Seconds to read rows and load a backbone, where nothing has run."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of a cell's own work (training, evaluation; where no cell but for its seed has run, the frozen prefix
    too), bytes at its peak (0: unknown), and what they are based on. on_gpu: whether the bytes are of a GPU, where
    the process takes none."""

    seconds: float
    memory: int
    basis: Basis
    on_gpu: bool = False


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
    to assume where nothing has run, replaced by what records say of their machine. It is a guess: where measured
    seconds disagree with it, they decide (`bench.planning.levels`). None: unknown. prefix: how many of the
    operations are done once for all seeds."""

    def __init__(
        self,
        operations: Callable[[Cell], float] = _one,
        rate: float | None = None,
        prefix: Callable[[Cell], float] = _none,
    ) -> None:
        self._is_counted = operations is not _one
        self._operations = operations
        self._frozen = prefix
        self._counts: dict[Kind, tuple[float, float]] = {}  # operations, and those of the prefix
        self._is_assumed = rate is not None
        self._speed = Speed(rate or 1.0, rate or 1.0)
        self._samples = Samples(self._is_counted)
        self._failed: dict[tuple[str, str, str], list[float]] = {}  # seconds, by task, backbone and strategy
        self._drift = Drift()
        self._estimates: dict[Kind, Estimate] = {}  # these two until something is learnt
        self._levels: dict[tuple[str, str], Levels] = {}

    @property
    def has_samples(self) -> bool:
        return bool(self._samples)

    def recount(self) -> None:
        """Compute operations anew: the sizes of more splits have become known."""
        self._counts.clear()
        self._samples.change(self._counted)
        self._forget()

    def learn(self, records: Iterable[Record]) -> None:
        """Learn from records alone, each of which is charged for all that its cell shares with its group."""
        for record in records:
            if record.status == "done":
                self._add(record, _own(record.seconds), record.seconds.prepare)

    def observe(self, record: Record, wall: float, first: bool) -> None:
        """Learn from a cell that has just run for `wall` seconds. first: it was the first of its group."""
        took, cell = record.seconds, record.cell
        if record.status != "done":
            self._failed.setdefault((cell.task, cell.backbone, cell.strategy), []).append(wall)
            self._forget()
            return
        own = _own(took)
        if not first and not record.adaptations:  # what no part of the record counts is work of the cell too
            own = wall - min(max(0.0, wall - own), took.prefix)
        shared = max(0.0, wall - own - took.prefix) if first else 0.0
        before = [sample.measured * math.exp(-sample.drift) for sample in self._samples.seeds(cell)]
        drift = self._drift.follow(_own(took), median(before) if before else None)
        self._add(record, own, shared, drift)

    def cell(self, cell: Cell) -> Estimate:
        """What one cell takes, without reading rows and loading its backbone."""
        kind = kind_of(cell)
        if kind not in self._estimates:
            self._estimates[kind] = self._estimate(cell)
        return self._estimates[kind]

    def _estimate(self, cell: Cell) -> Estimate:
        same = [sample for sample in self._samples.same(cell) if sample.operations > 0]
        if same:
            pace = median(sample.usual / sample.operations for sample in same)
            exact = all(sample.cell.recipe == cell.recipe for sample in same)
            seconds = self._operations_of(cell)[0] * pace * self._drift.factor
            return Estimate(seconds, _memory(same), "recorded" if exact else "scaled", _on_gpu(same))
        failed = self._failed.get((cell.task, cell.backbone, cell.strategy))
        if failed:
            return Estimate(median(failed), 0, "recorded")
        pool = self._samples.pool(cell)
        if pool:
            return Estimate(self._scaled(cell, pool), _memory(pool), "scaled", _on_gpu(pool))
        return Estimate(self._unlike(cell) if self._is_assumed else 0.0, 0, "assumed")

    def shared(self, cell: Cell) -> float:
        """Seconds to prepare what the cell's group shares."""
        backbone = [sample for sample in self._samples.all() if sample.cell.backbone == cell.backbone]
        for alike in (self._samples.alike(cell), backbone, self._samples.all()):
            found = [sample.shared for sample in alike if sample.shared]
            if found:
                return median(found)
        return SHARED

    def makes(self, cell: Cell) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a cell makes that later ones share: what its group prepares, and a frozen prefix. A prefix is shared
        by the seeds of a strategy; where each seed has rows of its own, by its strategies with as long a prefix."""
        group = (cell.task, cell.backbone)
        if cell.draw is None:
            return group, (*group, cell.strategy)
        group = (*group, f"draw {cell.draw}")
        return group, (*group, f"{self._operations_of(cell)[1]:.6g} operations")

    def total(self, cells: Iterable[Cell], begun: Iterable[tuple[str, ...]] = ()) -> float:
        """Seconds of cells one after another. begun: what cells that have begun make (`makes`)."""
        return sum(self.each(cells, begun))

    def each(self, cells: Iterable[Cell], begun: Iterable[tuple[str, ...]] = ()) -> Iterator[float]:
        """Seconds of each of these cells, as `total` adds them up."""
        begun = set(begun)
        seen: set[tuple[str, ...]] = set(begun)
        for cell in cells:
            group, prefix = self.makes(cell)
            shared = 0.0 if group in seen else self.shared(cell)
            yield self._seconds(cell, prefix in seen, cell.draw is None and group in begun) + shared
            seen |= {group, prefix}

    def _seconds(self, cell: Cell, again: bool, begun: bool) -> float:
        """Seconds of one cell in a row. again: its prefix is made before; begun: all prefixes of its group are."""
        found = self.cell(cell)
        same = self._samples.same(cell)
        if same:
            return found.seconds + (0.0 if again or begun else self._prefix(cell, same))
        whole = self._at_speed(cell)
        _, frozen = self._operations_of(cell)
        share = 1 - frozen / self._speed.frozen / whole if again and whole else 1.0
        return found.seconds * share

    def _prefix(self, cell: Cell, same: Sequence[Sample]) -> float:
        """Seconds of the cell's frozen prefix, from those of samples whose recipes may have fewer rows."""
        _, frozen = self._operations_of(cell)
        return median(
            sample.prefix * (frozen / sample.frozen if self._is_counted and sample.frozen else 1.0)
            for sample in same
        )

    def _at_speed(self, cell: Cell) -> float:
        """Seconds of a cell at the assumed speed, where it is known; else what they are in proportion to."""
        return self._seconds_at_speed(*self._operations_of(cell))

    def _seconds_at_speed(self, operations: float, frozen: float) -> float:
        return (operations - frozen) / self._speed.training + frozen / self._speed.frozen

    def _scaled(self, cell: Cell, pool: Sequence[Sample]) -> float:
        """Seconds of a cell from cells of other strategies and tasks."""
        group, planned = (cell.task, cell.backbone), self._at_speed(cell)
        if not self._is_counted:
            return fmean(sample.whole for sample in pool) * self._drift.factor
        if group not in self._levels:
            self._levels[group] = levels(self._measured(pool), self._is_assumed, group)
        level = self._levels[group].of(group, cell.strategy, planned)
        return planned * math.exp(level) * self._drift.factor

    def _unlike(self, cell: Cell) -> float:
        """Seconds of a cell of a kind of which nothing has run. What has run counts only where it contradicts the
        plan; on a GPU word vectors take as long as kernels take to start, whatever the plan."""
        samples = [sample for sample in self._samples.all() if sample.on_cpu and sample.operations > 0]
        level = levels(self._measured(samples), False, _NOWHERE).run
        return self._at_speed(cell) * (math.exp(level) if abs(level) > CONTRADICTION else 1.0)

    def _measured(self, pool: Sequence[Sample]) -> list[Measured]:
        """The seeds of each strategy on each task and backbone as one."""
        kinds: dict[tuple[str, str, str], list[Sample]] = {}
        for sample in pool:
            known = sample.cell
            kinds.setdefault((known.task, known.backbone, known.strategy), []).append(sample)
        return [
            Measured(
                group=(task, backbone),
                strategy=strategy,
                seconds=fmean(sample.whole for sample in samples),
                planned=fmean(self._seconds_at_speed(sample.operations, sample.frozen) for sample in samples),
            )
            for (task, backbone, strategy), samples in kinds.items()
        ]

    def _add(self, record: Record, own: float, shared: float, drift: float = 0.0) -> None:
        cell, took, counts = record.cell, record.seconds, self._operations_of(record.cell)
        on_cpu = record.machine is None or record.machine.device == "cpu"
        sample = Sample(
            cell, own, took.prefix, shared, record.peak_memory, *counts, _own(took), on_cpu, drift
        )
        self._samples.add(sample)
        self._forget()
        if self._is_assumed and record.machine and record.machine.rate:
            self._speed = reached(record.machine)

    def _operations_of(self, cell: Cell) -> tuple[float, float]:
        """Operations, and those of the prefix among them: computed once for all seeds."""
        kind = kind_of(cell)
        if kind not in self._counts:
            self._counts[kind] = self._operations(cell), self._frozen(cell)
        return self._counts[kind]

    def _counted(self, sample: Sample) -> Sample:
        operations, frozen = self._operations_of(sample.cell)
        return replace(sample, operations=operations, frozen=frozen)

    def _forget(self) -> None:
        self._estimates.clear()
        self._levels.clear()


def _memory(samples: Sequence[Sample]) -> int:
    return int(median(sample.memory for sample in samples))


def _on_gpu(samples: Sequence[Sample]) -> bool:
    return not all(sample.on_cpu for sample in samples)
