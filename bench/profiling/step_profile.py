"""What a training step of a strategy is made of: kernels by kind, beside the time that its matrix products would
take at the machine's own rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from torch.profiler import ProfilerActivity
from torch.profiler import profile as recorded
from torch.utils.flop_counter import FlopCounterMode

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import Cell
from bench.data.batches import shuffled
from bench.engine.group import CellGroup, RunContext
from bench.engine.machine import describe
from bench.engine.speeds import Speeds
from bench.engine.training import accumulate
from bench.profiling.request import Request
from bench.profiling.step_ledger import StrategySteps, lines_of

WARM = 10  # steps before those that count
KINDS = {
    "matrix products": ("addmm", "::mm", "gemm", "nvjet"),
    "attention": ("bmm", "softmax", "scaled_dot", "attention", "fmha"),
    "layer norms": ("layer_norm", "gammabeta"),
    "activations": ("gelu", "silu", "relu", "tanh"),
    "AdamW and gradient norm": ("adam", "aten::dot", "dot_kernel", "foreach", "multi_tensor"),
    "copies and casts": ("copy", "memcpy", "clone", "::cat"),
    "sums and elementwise": ("add", "mul", "sum", "div", "where"),
    "embeddings and indexing": ("embedding", "index", "gather", "scatter"),
}
REST = "the rest"


@dataclass(frozen=True)
class Profile:
    """Of a step: seconds (median, not profiled), share of the profiled time by kind of kernel, and operations of
    its matrix products (mean)."""

    seconds: float
    shares: dict[str, float]
    operations: float


def profile(request: Request, steps: int) -> Table:
    """Profile so many steps of every strategy of the request. BenchError where it cannot be carried out."""
    cells, group, context = request.prepare()
    found = [(cell, measure(lines_of(cell, group, context)[0], group, cell, steps)) for cell in cells]
    rate = Speeds(context.device, context.registry.sources.cache).gemm()
    return table(found, rate, context)


def kind_of(kernel: str) -> str:
    """The entry of KINDS that a kernel belongs to, by its name; autograd's own work is of none."""
    name = kernel.lower()
    if "autograd::" in name or "backward0" in name:
        return REST
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), REST)


def measure(line: StrategySteps, group: CellGroup, cell: Cell, steps: int) -> Profile:
    """Take the same `steps` batches three times: on the clock, profiled, and counted."""
    device, split = line.model.device, group.splits["train"]
    batches = shuffled(split.lengths, cell.recipe.batch_size, seed=0)
    chosen = [next(batches) for _ in range(WARM + steps)]

    def step(number: int) -> None:
        accumulate(line.model, split, chosen[number], line.phase)
        line.optimizer.step(1.0)

    for number in range(WARM):
        step(number)
    edges = [device.clock()]
    for number in range(WARM, len(chosen)):
        step(number)
        edges.append(device.clock())
    cuda = device.torch.type == "cuda"
    with recorded(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as seen:
        for number in range(WARM, len(chosen)):
            step(number)
        device.clock()
    found: Counter[str] = Counter()
    for event in seen.key_averages():
        found[kind_of(event.key)] += event.self_device_time_total if cuda else event.self_cpu_time_total
    with FlopCounterMode(display=False) as counter:
        for number in range(WARM, len(chosen)):
            step(number)
    whole = sum(found.values())
    shares = {
        kind: found[kind] / whole for kind in sorted(found, key=lambda kind: (kind == REST, -found[kind]))
    }
    return Profile(float(median(np.diff(edges))), shares, counter.get_total_flops() / steps)


def table(found: Sequence[tuple[Cell, Profile]], rate: float, context: RunContext) -> Table:
    """A block a strategy, a row a kind of kernel. rate: operations a second of a large matrix product."""
    cell = found[0][0]
    return Table(
        f"Kernels of a training step on {cell.task}, {cell.backbone}",
        ("kernels",),
        (Column("time", "time", "milliseconds"), Column("share", "share", "share")),
        tuple(Block(cell.strategy, _rows(profile)) for cell, profile in found),
        (
            *(_sums(cell, profile, rate) for cell, profile in found),
            f"Batches of {cell.recipe.batch_size}. Times by kind are shares of a profiled run.",
            f"Machine: {machine_fingerprint(describe(context.device))}.",
        ),
        "strategy",
    )


def _rows(profile: Profile) -> tuple[Row, ...]:
    return tuple(
        Row((kind,), (Entry(1000 * share * profile.seconds), Entry(share)))
        for kind, share in profile.shares.items()
    )


def _sums(cell: Cell, profile: Profile, rate: float) -> str:
    """The step's time beside that of its matrix products."""
    ideal = profile.operations / rate
    return (
        f"A step of {cell.strategy} takes {1000 * profile.seconds:.0f} ms (median). Its matrix products are "
        f"{profile.operations / 1e9:.0f} GFLOP: {1000 * ideal:.0f} ms at the {rate / 1e9:,.0f} GFLOP/s of a large "
        f"product on this machine, {100 * ideal / profile.seconds:.0f}% of the step."
    )
