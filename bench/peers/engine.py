"""This engine's side: one cell from cold, or a suite of cells as `run` runs it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.engine.cell import build, run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.peers.limit import limit
from bench.peers.measurement import Clock, SideOutcome
from bench.registry import Registry
from bench.runs.listeners import Silent


def run_one(cell: Cell, registry: Registry, device: Device) -> SideOutcome:
    """The wall-clock time of the cell; what its record counts as evaluation is kept apart."""
    context = RunContext(registry, device)
    began = device.clock()
    group = prepare_group(cell, context)
    prepared = device.clock()
    record, _ = run_cell(cell, group, context, lambda _: None)
    ended = device.clock()
    model, plan = build(cell, group, context)
    prefix = group.prefix.seconds("train", plan.boundaries)  # of the training split only
    evaluate = record.seconds.evaluate + record.seconds.prefix - prefix
    return SideOutcome(
        clock=Clock(prepare=prepared - began, train=ended - prepared - evaluate, evaluate=evaluate),
        score=record.scores["test"][record.headline],
        limit=limit(record.flops, model, plan, device),
    )


def run_suite(cells: Sequence[Cell], registry: Registry, device: Device) -> SideOutcome:
    """Wall-clock time of all cells in one process, records and predictions written. Raises BenchError where a cell
    does not finish."""
    with tempfile.TemporaryDirectory(prefix="transferbench-peers-") as run:
        options = Options(device=str(device.torch), executor="inline")
        began = device.clock()
        records = launch(cells, registry, Path(run), options, Silent())
        seconds = device.clock() - began
    for record in records:
        if record.status != "done":
            raise BenchError(f"{record.cell.id}: {record.status}: {record.reason}", code="unfinished-suite")
    return SideOutcome(clock=Clock(prepare=0.0, train=seconds, evaluate=0.0))
