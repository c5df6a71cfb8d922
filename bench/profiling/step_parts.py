"""What a part of a training step could give at most: the time of the step without it.

Each part is left out alone, and the variants take turns, step by step on the same batches, so that whatever else
the machine does falls on all of them alike. Without a part a model computes nonsense, but all other parts do the
same work as before. Whatever makes a part faster saves less than leaving it out. Numbers are medians.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import Cell
from bench.data.batches import shuffled
from bench.engine.group import CellGroup, RunContext
from bench.engine.machine import describe
from bench.engine.optimizer import Group
from bench.engine.workspace import backward
from bench.models.attention import PLAIN, register
from bench.profiling.request import Request
from bench.profiling.step_ledger import StrategySteps, lines_of

WARM = 3  # steps of each variant before those that count
ACTIVATIONS = ("transformers.activations", "torch.nn.modules.activation")
COLUMNS = (Column("step", "step", "milliseconds"), Column("gain", "gain at most", "share"))


@dataclass(frozen=True)
class Part:
    """A part of a step. without: a block in which a step leaves it out. assembled: its batch is at hand already."""

    name: str
    without: Callable[[StrategySteps], AbstractContextManager[None]] = lambda _: nullcontext()
    assembled: bool = False


def profile(request: Request, steps: int) -> Table:
    """Measure so many steps of every strategy of the request, without each part. BenchError where the request
    cannot be carried out."""
    cells, group, context = request.prepare()
    blocks = []
    for cell in cells:
        line = lines_of(cell, group, context)[0]
        blocks.append(Block(cell.strategy, rows(measure(line, group, cell, steps))))
    return table(blocks, cells[0], context, steps)


def measure(line: StrategySteps, group: CellGroup, cell: Cell, steps: int) -> dict[str, float]:
    """Median seconds of a step: of the whole one (''), and without each part, by name."""
    split, clock = group.splits["train"], line.model.device.clock
    batches = shuffled(split.lengths, cell.recipe.batch_size, seed=0)
    parts = [part for part in PARTS if part.without is not _without_attention or _is_registered(line)]
    seconds: dict[str, list[float]] = {part.name: [] for part in parts}
    for _ in range(WARM + steps):
        index = next(batches)
        for part in parts:
            batch = split.batch(index) if part.assembled else None
            with line.optimizer.preserved(), part.without(line):
                began = clock()
                backward(line.model, [batch or split.batch(index)], line.phase)
                line.optimizer.step(1.0)
                seconds[part.name].append(clock() - began)
    return {name: median(found[WARM:]) for name, found in seconds.items()}


def rows(seconds: dict[str, float]) -> tuple[Row, ...]:
    """The whole step, then the parts, the largest gain first."""
    whole = seconds[""]
    parts = sorted((name for name in seconds if name), key=seconds.__getitem__)
    without = [
        Row((f"without {n}",), (Entry(1000 * seconds[n]), Entry(1 - seconds[n] / whole))) for n in parts
    ]
    return (Row(("whole step",), (Entry(1000 * whole), Entry())), *without)


def table(blocks: Sequence[Block], cell: Cell, context: RunContext, steps: int) -> Table:
    return Table(
        f"A training step on {cell.task}, {cell.backbone}, with one part left out",
        ("variant",),
        COLUMNS,
        tuple(blocks),
        (
            f"Medians of {steps} steps on batches of {cell.recipe.batch_size}; variants take turns on the same "
            "batches. Gain at most: the share of the step that is saved by leaving the part out. Parts overlap in "
            "what they move through the caches, so gains do not add up.",
            f"Machine: {machine_fingerprint(describe(context.device))}.",
        ),
        "strategy",
    )


@contextmanager
def _changed(owner: Any, name: str, value: object) -> Iterator[None]:
    """An attribute of an object has another value in the block."""
    own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before) if own else delattr(owner, name)


@contextmanager
def _passing(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Modules hand on what they are given in the block."""
    for module in modules:
        module.forward = lambda given, *_: given
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def _modules(line: StrategySteps, chosen: Callable[[nn.Module], bool]) -> list[nn.Module]:
    """Those of encoder and head, each once."""
    owners = [*line.model.encoder_modules(), line.model.head]
    return list(dict.fromkeys(module for owner in owners for module in owner.modules() if chosen(module)))


def _without_dropout(line: StrategySteps) -> AbstractContextManager[None]:
    return _passing(_modules(line, lambda module: isinstance(module, nn.Dropout)))


def _without_norms(line: StrategySteps) -> AbstractContextManager[None]:
    return _passing(_modules(line, lambda module: type(module).__name__.endswith("Norm")))


def _without_activations(line: StrategySteps) -> AbstractContextManager[None]:
    return _passing(_modules(line, lambda module: type(module).__module__ in ACTIVATIONS))


def _is_registered(line: StrategySteps) -> bool:
    """Whether the encoder calls an attention that is registered with transformers: others cannot be left out."""
    config = getattr(getattr(line.model.backbone, "model", None), "config", None)
    return getattr(config, "_attn_implementation", None) in (PLAIN, "sdpa")


@contextmanager
def _without_attention(_: StrategySteps) -> Iterator[None]:
    """Scores, softmax and the weighted sum; queries, keys and values are still computed, and have gradients."""
    register()
    before = {name: ALL_ATTENTION_FUNCTIONS[name] for name in (PLAIN, "sdpa")}

    def summed(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, None]:
        groups = query.shape[1] // key.shape[1]
        keys, values = (part.repeat_interleave(groups, 1) if groups > 1 else part for part in (key, value))
        return (query + keys + values).transpose(1, 2).contiguous(), None

    for name in before:
        AttentionInterface.register(name, summed)
    try:
        yield
    finally:
        for name, function in before.items():
            AttentionInterface.register(name, function)


def _without_adamw(line: StrategySteps) -> AbstractContextManager[None]:
    return _changed(line.optimizer._adamw, "step", lambda: None)


def _without_gathering(_: StrategySteps) -> AbstractContextManager[None]:
    return _changed(Group, "gather", _forget)


@contextmanager
def _without_optimizer(line: StrategySteps) -> Iterator[None]:
    def forget(_: float) -> None:
        for group in line.optimizer.groups:
            _forget(group)

    with _changed(line.optimizer, "step", forget):
        yield


def _forget(group: Group) -> Tensor:
    """Drop the gradients of a backward pass instead of moving them."""
    for parameter, _ in group.parts:
        parameter.grad = None
    return group.gradient


PARTS = (
    Part(""),
    Part("the assembly of the batch", assembled=True),
    Part("dropout", _without_dropout),
    Part("norms", _without_norms),
    Part("activation functions", _without_activations),
    Part("attention between its projections", _without_attention),
    Part("AdamW", _without_adamw),
    Part("moving gradients into one vector", _without_gathering),
    Part("the optimizer: moving gradients, their norm and AdamW", _without_optimizer),
)
