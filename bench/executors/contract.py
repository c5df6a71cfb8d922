"""What an executor is given, and what it can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.contracts import LARGEST, BenchError, Cell
from bench.data.sources import Sources
from bench.engine.activation_store import ActivationStore
from bench.executors.names import MOST_PER_DEVICE, MOST_THREADS, ExecutorName
from bench.planning.machine_speed import NVIDIA
from bench.planning.shards import Shard
from bench.registry import Given
from bench.runs.folder import Store
from bench.runs.record import Record


@dataclass(frozen=True)
class Options:
    """How to run.

    device: `auto`, `cpu`, `cuda:1`, or several separated by commas, with a worker each. threads: of the CPU; None:
    torch's choice. fresh: run finished cells again. address: of a Ray cluster; None: Ray's own choice. shard: run
    this part of the cells. track: trackers that follow the run. timeout: seconds for a cell; None: derived from
    comparable cells. retry_fp32: run a cell that diverged in bf16 again in fp32. deterministic: bitwise equal
    results on one machine. compiled: compile the layers that learn. plugin_files: files and descriptions of data
    that other processes discover again. activations: where activations are kept for other runs. growing: cells that
    come later train on more of the same rows, so activations of rows are kept for them. per_device: seeds of a cell
    that train on a device at once; the first trains alone."""

    device: str = "auto"
    threads: int | None = None
    fresh: bool = False
    executor: ExecutorName = "process"
    address: str | None = None
    shard: Shard | None = None
    track: tuple[str, ...] = ()
    timeout: float | None = None
    retry_fp32: bool = False
    deterministic: bool = False
    compiled: bool = False
    plugin_files: tuple[Given, ...] = ()
    activations: ActivationStore | None = None
    growing: bool = False
    per_device: int = 1

    def __post_init__(self) -> None:
        for device in self.devices:
            if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,4})?", device):
                raise BenchError(
                    f"--device {self.device}: choose auto, cpu, cuda or cuda:<number>", code="unknown-device"
                )
        if len(self.devices) > 1 and ("auto" in self.devices or self.executor != "process"):
            raise BenchError(
                f"--device {self.device}: a list names devices of --executor process, without auto",
                code="wrong-devices",
            )
        if self.executor == "ray" and ":" in self.device:
            raise BenchError(
                f"--device {self.device}: Ray chooses the GPU; use auto, cpu or cuda", code="wrong-devices"
            )
        if self.address and self.executor != "ray":
            raise BenchError(
                f"--address {self.address}: it belongs to --executor ray", code="address-without-ray"
            )
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise BenchError(f"{self.threads} threads: choose 1 to {MOST_THREADS:,}", code="wrong-threads")
        if self.timeout is not None and not 0 < self.timeout <= LARGEST:
            raise BenchError(
                f"a time limit of {self.timeout:g} s: choose a positive number, at most {LARGEST:g}",
                code="wrong-timeout",
            )
        if not 1 <= self.per_device <= MOST_PER_DEVICE:
            raise BenchError(
                f"--per-device {self.per_device}: choose 1 to {MOST_PER_DEVICE} seeds",
                code="wrong-per-device",
            )
        if self.per_device > 1 and self.growing:
            raise BenchError(
                f"--per-device {self.per_device}: within a budget every strategy trains one seed before any trains "
                "another; use 1",
                code="per-device-with-budget",
            )

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(self.device.split(","))

    @property
    def seeds_in_turn(self) -> bool:
        """Whether the seeds of a strategy follow one another, to share what is captured on a GPU. Where a budget
        may end the work, every strategy has its first seed before any has its second."""
        return self.on_gpu and not self.growing

    @property
    def on_gpu(self) -> bool:
        """Whether cells run on a GPU, as far as is known without torch."""
        return self.device.startswith("cuda") or (self.device == "auto" and NVIDIA.exists())


@dataclass(frozen=True)
class Work:
    """What a run has to do; it is sent to workers.

    fingerprints: of each cell, by its id. imports: modules that the cells need, so that no cell is charged for
    importing them. grid: of a shard, the ids of all cells of its suite, in order. operations: of each cell by its
    id, roughly; counted anew as rows are read. together: the ids of cells that are run in one job with their other
    seeds."""

    store: Store
    options: Options = field(default_factory=Options)
    sources: Sources = field(default_factory=Sources)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    operations: dict[str, float] = field(default_factory=dict)
    together: frozenset[str] = frozenset()


Finished = Callable[[Cell], Record | None]
"""The record of a cell that need not run (again), or None."""


class Executor(Protocol):
    """Runs cells."""

    def start(self) -> None:
        """Begin to get ready, where that takes time."""

    def ready(self) -> None:
        """Wait until cells can run. BenchError where they cannot: no such device, a plug-in that fails."""

    def run(self, cells: Sequence[Cell], finished: Finished) -> None:
        """Run every cell that no other process runs or has run. Ctrl-C loses the cells in flight alone.

        BenchError where the run as a whole cannot go on."""

    def stop(self) -> None:
        """End whatever was started."""
