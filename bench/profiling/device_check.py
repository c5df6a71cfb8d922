"""This engine and the tuned Trainer on made-up encoders in the shapes of real ones, in turns, within a time limit.
Also: whether a cell's seconds depend on its place in its group.

Both sides run in this process, one after the other, so that libraries are imported once. The first round pays what
a process pays once, and does not count."""

from __future__ import annotations

import gc
import io
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Literal, NoReturn

from bench.analysis.groups import machine_fingerprint
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device, choose_device, describe
from bench.engine.speeds import Speeds
from bench.executors.contract import Options
from bench.extras import missing
from bench.profiling import order
from bench.profiling.made_up import SHAPES, MadeUp, save_encoder
from bench.registry import Registry, discover

Side = Literal["this engine", "Trainer, tuned"]
SIDES: tuple[Side, ...] = ("this engine", "Trainer, tuned")
ROUNDS = 3  # that count
TURNS = 0.7  # of the time limit goes to the turns, the rest to the two orders
STRATEGIES = ("full", "top-layers", "frozen")

COLUMNS = (
    Column("step", "step", "milliseconds"),
    Column("rate", "of matrix rate", "share"),
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


def _setting(shape: str, rows: int, length: int | None) -> Setting:
    task = MadeUp(f"made-up-{'long' if length else 'short'}-{rows}", rows, length)
    return Setting(shape, task, Recipe(epochs=1, batch_size=32, max_length=128, evaluations=1))


SETTINGS = {
    "cpu": (_setting("tiny", 128, None),),
    "cuda": (_setting("minilm-size", 4096, None), _setting("bert-base-size", 2048, 126)),
}
"""What is measured: on a CPU an encoder so small that it only shows that the check runs."""


@dataclass(frozen=True)
class Turn:
    """One measurement. seconds: of training steps alone; learn: with preparing and the prefix. steps: of the
    optimizer. memory: bytes at the peak."""

    steps: int
    seconds: float
    learn: float
    memory: int


@dataclass
class Line:
    """One side of one cell, and its rounds; the first does not count where there are others. operations: of the
    cell's training, floating-point."""

    setting: Setting
    cell: Cell
    side: Side
    turns: list[Turn] = field(default_factory=list)
    operations: float = 0.0

    def counted(self) -> list[Turn]:
        return self.turns[1:] or self.turns


class TimeIsUp(BaseException):
    """The limit is reached. No Exception, so that nothing on the way takes it for the failure of a cell."""


@dataclass(frozen=True)
class Found:
    """What was measured within the limit."""

    lines: Sequence[Line]
    places: Sequence[order.Places]
    reached: bool


def check(device: str, limit: float, threads: int | None = None) -> Table:
    """Measure, and show what there is after `limit` seconds. BenchError where Trainer's libraries are missing."""
    try:
        from bench.peers.trainer import run_trainer
    except ImportError as error:
        raise missing("profile --kind device", "peers", error) from error
    began = time.monotonic()
    chosen = choose_device(device, threads)
    settings = SETTINGS[chosen.torch.type]
    with tempfile.TemporaryDirectory(prefix="transferbench-device-") as folder:
        lines = _lines(settings, Path(folder))
        given = tuple(setting.task for setting in settings)
        context = RunContext(Registry(discover(given), Sources(Path(folder, "cache"))), chosen)
        finished = [_until(TURNS * limit, lambda: _take_turns(lines, context, run_trainer))]
        places: list[order.Places] = []
        options = Options(device=device, threads=threads, plugin_files=given)
        cells = [line.cell for line in lines if line.setting is settings[0] and line.side == SIDES[0]]
        left = limit - (time.monotonic() - began)
        action = lambda: places.extend(order.measure(cells, context.registry, options))  # noqa: E731
        finished.append(left > 0 and _until(left, action))
        rate = Speeds(chosen, context.registry.sources.cache).gemm()
    return table(Found(lines, places, not all(finished)), rate, chosen)


def _lines(settings: Sequence[Setting], folder: Path) -> list[Line]:
    found = []
    for setting in settings:
        backbone = str(save_encoder(folder / setting.shape, SHAPES[setting.shape]))
        for strategy in STRATEGIES:
            cell = Cell("device", setting.task.name, strategy, backbone, 0, setting.recipe)
            found += [Line(setting, cell, side) for side in SIDES]
    return found


def _take_turns(lines: Sequence[Line], context: RunContext, trainer: Callable[..., object]) -> None:
    """All lines once, then ROUNDS times more, the sides in turned order every other round."""
    pairs = [lines[place : place + len(SIDES)] for place in range(0, len(lines), len(SIDES))]
    for number in range(1 + ROUNDS):
        for pair in pairs:
            for line in pair if number % 2 == 0 else pair[::-1]:
                gc.collect()
                context.device.reset_peak_memory()
                line.turns.append(
                    _engine(line, context) if line.side == SIDES[0] else _trainer(line, context, trainer)
                )


def _engine(line: Line, context: RunContext) -> Turn:
    group = prepare_group(line.cell, context)
    record, _ = run_cell(line.cell, group, context, lambda _: None)
    took, line.operations = record.seconds, record.flops
    learn = took.prepare + took.prefix + took.compile + took.train
    return Turn(record.curve[-1].step, took.train, learn, record.peak_memory)


def _trainer(line: Line, context: RunContext, run: Callable[..., object]) -> Turn:
    from bench.peers.measurement import SideOutcome
    from bench.peers.settings import Settings

    with redirect_stdout(io.StringIO()):  # Trainer prints its own summary
        outcome = run(line.cell, context.registry, context.device, Settings.tuned(context.device))
    assert isinstance(outcome, SideOutcome)
    size = line.cell.recipe.batch_size
    steps = -(-line.setting.task.train // size)
    return Turn(steps, outcome.clock.train, outcome.clock.learn, context.device.peak_memory())


def _until(limit: float, action: Callable[[], object]) -> bool:
    """Run the action for at most so many seconds; whether it ended by itself."""
    try:
        with _alarm(limit):
            action()
    except TimeIsUp:
        return False
    return True


@contextmanager
def _alarm(limit: float) -> Iterator[None]:
    def ring(number: int, _: FrameType | None) -> NoReturn:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(limit, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
        f"fine-tuning needs, over the {rate / 1e9:,.0f} GFLOP/s of a large matrix product here. Learn: reading, "
        "encoding, loading and training. Medians of the rounds after the first; where there is only one, that one.",
        _order_note(found.places),
        "The time limit was reached: what is missing was not measured." if found.reached else "",
        f"Machine: {machine_fingerprint(describe(device))}.",
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
        return Row(labels, tuple(Entry(note="not measured") for _ in COLUMNS))
    own = next(o for o in others if o.cell.strategy == line.cell.strategy and o.side == SIDES[0])
    seconds, learn = median(t.seconds for t in turns), median(t.learn for t in turns)
    base = median(t.learn for t in own.counted()) if own.turns else None
    share = own.operations / seconds / rate if own.operations and line.cell.strategy == "full" else None
    return Row(
        labels,
        (
            Entry(1000 * seconds / turns[0].steps),
            Entry(share),
            Entry(learn),
            Entry(learn / base if base else None),
            Entry(float(max(t.memory for t in turns))),
            Entry(float(len(turns))),
        ),
    )


def _sizes(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(f"{line.setting.task.train:,} rows ({line.setting.shape})" for line in lines))


def _order_note(places: Sequence[order.Places]) -> str:
    if not places:
        return "Order independence was not measured."
    each = ", ".join(f"{p.strategy} {p.forward:.2f} s and {p.backward:.2f} s" for p in places)
    worst = max(place.ratio for place in places)
    return f"The same cells in two orders, cold seconds: {each}; {worst:.2f} times apart at most."
