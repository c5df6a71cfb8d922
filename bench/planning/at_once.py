"""The memory of seeds that train on a GPU at once (`run --per-device`), and how many fit. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.contracts import BenchError, Cell
from bench.planning.workload import PROCESS, Workload
from bench.registry import Registry


@dataclass(frozen=True)
class AtOnce:
    """Seeds of a cell that train at once. seeds: how many; 1: each trains alone. alone, more: bytes of one, and of
    each further one."""

    seeds: int
    alone: int
    more: int

    @property
    def memory(self) -> int:
        """Bytes of all of them."""
        return self.alone + (self.seeds - 1) * self.more

    def fitting(self, memory: int) -> int:
        """How many of them fit into so many bytes: at least one, which may do with smaller parts of a batch."""
        return max(1, min(self.seeds, 1 + (memory - self.alone) // max(self.more, 1)))


def at_once(
    cells: Sequence[Cell], alone: int, workload: Workload, per_device: int, process: int = PROCESS
) -> AtOnce:
    """Of the seeds of one cell that are still to run; the first trains alone. alone: bytes at the peak of one,
    recorded or planned. process: those of the process among them, which is there once."""
    cell = cells[0]
    counted = workload.memory(cell, 2) - workload.memory(cell)
    more = min(alone, max(counted, alone - process)) if alone else counted
    able = per_device > 1 and _train_in_turns(cell, workload.registry)
    return AtOnce(max(1, min(per_device, len(cells) - 1)) if able else 1, alone, more)


def _train_in_turns(cell: Cell, registry: Registry) -> bool:
    """Whether seeds of the cell share rows and take steps of their own."""
    with suppress(BenchError):  # the strategy does not fit
        last = registry.phases(cell)[-1]  # the first may come before the task
        steps = last.solver == "adamw" and not registry.trains_together(cell)
        return steps and cell.draw is None and not registry.incompatible(cell)
    return False


def advice(found: Sequence[tuple[str, AtOnce]], per_device: int, gpu: tuple[str, int] | None) -> str:
    """What training so many seeds at once takes, in a sentence. found: by task, strategy and backbone. gpu: its
    name and bytes; None: there is none."""
    several = [(name, one) for name, one in found if one.seeds > 1]
    start = f"--per-device {per_device}: "
    if not several:
        return f"{start}no cell has seeds that would train at once; each trains alone"
    name, largest = max(several, key=lambda pair: pair[1].memory)
    taken = (
        f"{start}up to {max(one.seeds for _, one in several)} seeds at once, after the first of them; at most "
        f"about {_mib(largest.memory)} ({largest.seeds} seeds of {name}; one alone {_mib(largest.alone)})"
    )
    if gpu is None:
        return f"{taken}; there is no GPU here to compare that with"
    title, memory = gpu
    short = [(name, one.fitting(memory), one) for name, one in several if one.memory > memory]
    if not short:
        return f"{taken}; {title} has {_mib(memory)}, so they fit"
    each = ", ".join(f"{fit} of {one.seeds} seeds of {name}" for name, fit, one in short)
    return f"{taken}; {title} has {_mib(memory)}, so fewer will train at once: {each}"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
