"""Where the time of a training step goes: forward, backward and optimizer of strategies, against what they train.

Strategies take turns, step by step on the same batches, so that whatever else the machine does falls on all of
them alike; numbers are medians. A strategy of several phases is measured in its last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import Cell
from bench.data.batches import shuffled
from bench.engine.cell import build, values_of
from bench.engine.group import CellGroup, RunContext
from bench.engine.machine import describe
from bench.engine.model import Model, set_modes
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import PlannedPhase
from bench.models.heads import loss_terms
from bench.profiling.request import Request

WARM = 3  # steps of each strategy before those that count
COLUMNS = (
    Column("trainable", "trainable", "share"),
    Column("forward", "forward", "milliseconds"),
    Column("backward", "backward", "milliseconds"),
    Column("optimizer", "optimizer", "milliseconds"),
    Column("step", "step", "milliseconds"),
    Column("relative", "step / full", "times"),
)


@dataclass
class StrategySteps:
    """A strategy that is measured. seconds: forward, backward and optimizer, of each step."""

    label: str
    model: Model
    phase: PlannedPhase
    optimizer: FlatAdamW
    trainable: float
    seconds: list[tuple[float, float, float]] = field(default_factory=list)

    def medians(self) -> list[float]:
        """Milliseconds of forward, backward, optimizer, and of the whole step."""
        kept = self.seconds[WARM:]
        parts = [median(step[part] for step in kept) for part in range(3)]
        return [1000 * value for value in (*parts, median(map(sum, kept)))]


def profile(request: Request, steps: int) -> Table:
    """Measure so many steps of every strategy of the request. BenchError where it cannot be carried out."""
    cells, group, context = request.prepare()
    lines = [line for cell in cells for line in lines_of(cell, group, context)]
    measure(lines, group, cells[0], steps)
    return table(lines, group, cells[0], context)


def measure(lines: Sequence[StrategySteps], group: CellGroup, cell: Cell, steps: int) -> None:
    """Take steps on the same batches, one of each line in turn."""
    split = group.splits["train"]
    batches = shuffled(split.lengths, cell.recipe.batch_size, seed=0)
    for _ in range(WARM + steps):
        batch = split.batch(next(batches))
        for line in lines:
            clock = line.model.device.clock
            edges = [clock()]
            total, terms = loss_terms(
                line.model.head.kind, line.model.logits("train", batch, line.phase), batch.targets
            )
            loss = total / terms
            edges.append(clock())
            loss.backward()
            edges.append(clock())
            line.optimizer.step(1.0)
            edges.append(clock())
            line.seconds.append((edges[1] - edges[0], edges[2] - edges[1], edges[3] - edges[2]))


def lines_of(cell: Cell, group: CellGroup, context: RunContext) -> list[StrategySteps]:
    """The strategy of a cell, ready to step; where its frozen prefix is read from the cache, again without it."""
    model, plan = build(cell, group, context)
    group.prefix.fill("train", plan.boundaries)
    phase = plan.phases[-1]
    parameters = model.parameters()
    values = {name: values_of(name, parameters, group) for name in parameters}
    share = sum(values[name] for name in phase.rates) / sum(values.values())
    optimizer = FlatAdamW(parameters, plan, cell.recipe, model.device.dtype)
    for number in range(len(plan.phases)):
        optimizer.enter(number)
    model.backbone.cast(model.device.dtype)
    set_modes(model, parameters)
    lines = [StrategySteps(cell.strategy, model, phase, optimizer, share)]
    if phase.shared and phase.frozen > 1:
        again = replace(model, prefix=None)
        lines.append(
            StrategySteps(f"{cell.strategy}, prefix run in every step", again, phase, optimizer, share)
        )
    return lines


def table(lines: Sequence[StrategySteps], group: CellGroup, cell: Cell, context: RunContext) -> Table:
    """A row a line, relative to `full` where it is among them."""
    full = next((line.medians()[3] for line in lines if line.label == "full"), None)
    rows = []
    for line in lines:
        *parts, step = line.medians()
        values = [line.trainable, *parts, step, step / full if full else None]
        rows.append(Row((line.label,), tuple(map(Entry, values))))
    lengths = group.splits["train"].lengths
    steps = len(lines[0].seconds) - WARM
    return Table(
        "Trainable share against the time of a training step",
        ("strategy",),
        COLUMNS,
        (Block("", tuple(rows)),),
        (
            f"Milliseconds: medians of {steps} steps on batches of {cell.recipe.batch_size} from {cell.task} "
            f"(a mean of {lengths.mean():.0f} tokens), {cell.backbone}; strategies take turns. A frozen prefix is "
            "read from the cache, as in a run, unless the row says otherwise.",
            f"Machine: {machine_fingerprint(describe(context.device))}.",
        ),
    )
