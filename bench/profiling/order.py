"""Whether a cell's seconds depend on its place in its group: the same cells in two orders, in new processes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError, Cell
from bench.engine.machine import choose_device, describe
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.profiling.request import Request
from bench.registry import Registry
from bench.runs.listeners import Silent
from bench.runs.record import Record

LEAST = 2
"""Cells below which there are no two orders."""

COLUMNS = (
    Column("forward", "in order", "seconds"),
    Column("backward", "in reverse", "seconds"),
    Column("ratio", "longer / shorter", "times"),
)


@dataclass(frozen=True)
class Places:
    """A cell, and its cold seconds in the order as given and in reverse."""

    strategy: str
    forward: float
    backward: float

    @property
    def ratio(self) -> float:
        """The longer over the shorter; 1 where the place does not matter."""
        low, high = sorted((self.forward, self.backward))
        return high / low if low else 1.0


def profile(request: Request) -> Table:
    """The strategies of the request in both orders. BenchError where it cannot be carried out."""
    cells, registry = request.cells()
    options = Options(device=request.device, threads=request.threads, plugin_files=request.plugin_files)
    machine = machine_fingerprint(describe(choose_device(request.device, request.threads)))
    return table(measure(cells, registry, options), cells[0], machine)


def measure(cells: Sequence[Cell], registry: Registry, options: Options) -> list[Places]:
    """Run the cells of one group, one seed each, in both orders. BenchError where one does not finish."""
    if len(cells) < LEAST:
        raise BenchError(
            f"{len(cells)} strategy has no order: name at least {LEAST}", code="too-few-strategies"
        )
    forward = _run(cells, registry, options)
    backward = _run(cells[::-1], registry, options)
    return [
        Places(cell.strategy, forward[cell.id].seconds.cold, backward[cell.id].seconds.cold) for cell in cells
    ]


def block(places: Sequence[Places], title: str = "") -> Block:
    """A row a strategy."""
    rows = (Row((p.strategy,), (Entry(p.forward), Entry(p.backward), Entry(p.ratio))) for p in places)
    return Block(title, tuple(rows))


def table(places: Sequence[Places], cell: Cell, machine: str) -> Table:
    """The orders side by side."""
    worst = max(place.ratio for place in places)
    return Table(
        "Cold seconds of a cell by its place in the group",
        ("strategy",),
        COLUMNS,
        (block(places),),
        (
            f"{cell.task}, {cell.backbone}: {', '.join(place.strategy for place in places)}, and the reverse, each "
            f"order in a new process. A cell's seconds are at most {worst:.2f} times apart. One run each: on a "
            "busy machine, other work makes a difference too.",
            f"Machine: {machine}.",
        ),
    )


def _run(cells: Sequence[Cell], registry: Registry, options: Options) -> dict[str, Record]:
    with tempfile.TemporaryDirectory(prefix="transferbench-order-") as run:
        records = launch(cells, registry, Path(run), options, Silent())
    for record in records:
        if record.status != "done":
            raise BenchError(f"{record.cell.id}: {record.status}: {record.reason}", code="unfinished-cell")
    return {record.cell.id: record for record in records}
