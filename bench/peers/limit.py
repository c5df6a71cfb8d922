"""The least time that a cell's training can take on this machine: its matrix products at the rate of a large one,
and the bytes of its optimizer at the bandwidth of main memory.

Both rates are measured in the process that has just run the cell, after its clocks have ended. Activations, norms
and copies between layers are not counted: how much of them main memory sees depends on caches."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from bench.engine.machine import Device
from bench.engine.model import Model
from bench.engine.plan import Plan
from bench.engine.speeds import Speeds
from bench.peers.measurement import Limit

MOVED = 32
"""Bytes that a step moves for each parameter that learns: fp32 weight and two moments read and written, and the
gradient read for its norm and for the update. Gradients that are written, and copies to bf16, come on top."""

TABLE = "embeddings.word_embeddings.weight"
"""Left out: of the rows of the table, a step may touch those of its batch alone."""

COPIED = 256 * 2**20
"""Bytes of the tensor that is copied: more than any cache holds."""

REPEATS = 5


def limit(flops: float, model: Model, plan: Plan, device: Device) -> Limit:
    """flops: of the matrix products of training (`Record.flops`)."""
    sizes = {name: parameter.numel() for name, parameter in model.parameters().items()}
    moved = sum(
        phase.steps * MOVED * sum(sizes[name] for name in phase.rates if name != TABLE and name in sizes)
        for phase in plan.phases
        if plan.solver == "adamw"
    )
    with tempfile.TemporaryDirectory(prefix="transferbench-speeds-") as empty:  # measured now, not looked up
        rate = Speeds(device, Path(empty)).gemm()
    return Limit(flops=flops, moved=moved, rate=rate, bandwidth=bandwidth(device))


def bandwidth(device: Device) -> float:
    """Bytes a second that a copy of a large tensor reads and writes: the fastest of REPEATS."""
    source = torch.ones(COPIED, dtype=torch.uint8, device=device.torch)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(REPEATS):
        began = device.clock()
        target.copy_(source)
        seconds.append(device.clock() - began)
    return 2 * COPIED / min(seconds)
