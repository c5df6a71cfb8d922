"""The table of a check of a device: what was measured, what failed and why, and a summary in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import Cell, Recipe
from bench.engine.machine import Device, describe
from bench.profiling import order
from bench.profiling.at_once import AtOnce
from bench.profiling.made_up import MadeUp

Side = Literal["this engine", "Trainer, tuned", "this engine, compiled"]
TRAINER: Side = "Trainer, tuned"
SIDES: tuple[Side, ...] = ("this engine", TRAINER)
"""Those that take turns."""
COMPILED: Side = "this engine, compiled"

COLUMNS = (
    Column("step", "step", "milliseconds"),
    Column("rate", "of matrix rate", "share"),
    Column("setup", "set up a length", "seconds"),
    Column("learn", "learn", "seconds"),
    Column("ratio", "× this engine", "times"),
    Column("memory", "peak memory", "bytes"),
    Column("rounds", "rounds", "count"),
)


@dataclass(frozen=True)
class Setting:
    """An encoder's shape, a task, and one epoch on it."""

    shape: str
    task: MadeUp
    recipe: Recipe


@dataclass(frozen=True)
class Turn:
    """One measurement. seconds: of training steps alone; learn: with preparing and the prefix. steps: of the
    optimizer. memory: bytes at the peak. setup: seconds of capturing and compiling for each length of a batch."""

    steps: int
    seconds: float
    learn: float
    memory: int
    setup: float | None = None


@dataclass
class Line:
    """One side of one cell, and its rounds; the first does not count where there are others. operations: of the
    cell's training, floating-point."""

    setting: Setting
    cell: Cell
    side: Side
    turns: list[Turn] = field(default_factory=list)
    operations: float = 0.0
    failed: str = ""  # why it was not measured further
    adaptations: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.setting.shape}, {self.cell.strategy}, {self.side}"

    def counted(self) -> list[Turn]:
        return self.turns[1:] or self.turns

    @property
    def step(self) -> float:
        """Seconds of a training step, the median of the rounds that count; 0 where there is none."""
        return median(turn.seconds / turn.steps for turn in self.counted()) if self.turns else 0.0

    @property
    def setup(self) -> float:
        """Seconds to set up a length, the median; 0 where there is none."""
        return median(found) if (found := [t.setup for t in self.counted() if t.setup is not None]) else 0.0


@dataclass(frozen=True)
class Found:
    """What was measured within the limit. failed: why parts that are no line were not. compiled: why compiled
    layers were not; '' where they were."""

    lines: Sequence[Line]
    places: Sequence[order.Places]
    reached: bool
    failed: Sequence[str] = ()
    compiled: str = ""
    at_once: Sequence[AtOnce] = ()


def table(found: Found, rate: float, device: Device) -> Table:
    """A block an encoder, a row a side. rate: operations a second of a large matrix product."""
    blocks = []
    for setting in dict.fromkeys(line.setting for line in found.lines):
        lines = [line for line in found.lines if line.setting is setting]
        length = setting.task.length
        title = f"{setting.shape}, {f'{length + 2} tokens' if length else 'short texts'}"
        blocks.append(Block(title, tuple(_row(line, lines, rate) for line in lines)))
    notes = [
        "Made-up texts and encoders with random weights; one epoch in batches of 32 of "
        f"{', '.join(_sizes(found.lines))}.",
        "Step: milliseconds of training over optimizer steps. Of matrix rate: operations a second that full "
        f"fine-tuning needs, over the {rate / 1e9:,.0f} GFLOP/s of a large matrix product here. Set up: capturing "
        "and compiling, for each length of a batch. Learn: reading, encoding, loading, setting up and training. "
        "Medians of the rounds after the first; where there is only one, that one.",
        *map(_gain, found.at_once),
        _order_note(found.places),
        f"Compiled layers were not measured: {found.compiled}." if found.compiled else "",
        "The time limit was reached: what is missing was not measured." if found.reached else "",
        *(f"Failed: {reason}." for reason in (*found.failed, *_failures(found.lines))),
        *dict.fromkeys(f"{line.title}: {said}." for line in found.lines for said in line.adaptations),
        f"Machine: {machine_fingerprint(describe(device))}.",
        _summary(found),
    ]
    return Table(
        "This engine and the tuned Trainer on this device",
        ("strategy", "side"),
        COLUMNS,
        tuple(blocks),
        tuple(note for note in notes if note),
        "encoder",
    )


def _row(line: Line, others: Sequence[Line], rate: float) -> Row:
    turns = line.counted()
    labels = (line.cell.strategy, line.side)
    if not turns:
        return Row(labels, tuple(Entry(note="failed" if line.failed else "not measured") for _ in COLUMNS))
    own = next(o for o in others if o.cell.strategy == line.cell.strategy and o.side == SIDES[0])
    seconds, learn = median(t.seconds for t in turns), median(t.learn for t in turns)
    base = median(t.learn for t in own.counted()) if own.turns else None
    known = bool(own.operations and rate) and line.cell.strategy == "full"
    share = own.operations / seconds / rate if known else None
    return Row(
        labels,
        (
            Entry(1000 * seconds / turns[0].steps),
            Entry(share),
            Entry(line.setup or None),
            Entry(learn),
            Entry(learn / base if base else None),
            Entry(float(max(t.memory for t in turns))),
            Entry(float(len(turns))),
        ),
    )


def _sizes(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(f"{line.setting.task.train:,} rows ({line.setting.shape})" for line in lines))


def _failures(lines: Sequence[Line]) -> Iterator[str]:
    """The lines that failed, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for line in lines:
        if line.failed:
            reasons.setdefault(line.failed, []).append(line.title)
    return (f"{'; '.join(titles)}: {reason}" for reason, titles in reasons.items())


def _summary(found: Found) -> str:
    """Milliseconds a step of all sides, and the two orders, in one line."""
    parts: dict[str, list[str]] = {}
    for line in found.lines:
        step = f"{1000 * line.step:.2f}" if line.step else "–"
        parts.setdefault(f"{line.setting.shape} {line.cell.strategy}", []).append(step)
    steps = ", ".join(f"{name} {' / '.join(sides)}" for name, sides in parts.items())
    worst = max((place.ratio for place in found.places), default=None)
    orders = f"; orders {worst:.2f} times apart" if worst else ""
    seeds = "".join(f"; {one.seeds} seeds at once {one.gain:.2f} times as fast" for one in found.at_once)
    third = " / compiled" if any(line.side == COMPILED for line in found.lines) else ""
    return f"Summary: ms a step of this engine / Trainer{third}: {steps}{orders}{seeds}."


def _gain(found: AtOnce) -> str:
    return (
        f"{found.seeds} seeds of {found.strategy} trained in {found.together:.2f} s at once, and in "
        f"{found.in_turn:.2f} s one after another: {found.gain:.2f} times the speed."
    )


def _order_note(places: Sequence[order.Places]) -> str:
    if not places:
        return "Order independence was not measured."
    each = ", ".join(f"{p.strategy} {p.forward:.2f} s and {p.backward:.2f} s" for p in places)
    worst = max(place.ratio for place in places)
    return f"The same cells in two orders, cold seconds: {each}; {worst:.2f} times apart at most."
