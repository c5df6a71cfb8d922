"""This engine and the tuned Trainer on made-up encoders in the shapes of real ones, in turns, within a time limit.
Also: what compiling layers and training seeds at once gain, and whether a cell's seconds depend on its place in its
group.

Both sides run in this process, one after the other, so that libraries are imported once. The first round pays what
a process pays once, and does not count. What fails is named with its reason, and costs nothing but itself."""

from __future__ import annotations

import gc
import io
import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pydantic import TypeAdapter

from bench.analysis.tables.model import Table
from bench.contracts import Cell, Recipe
from bench.data.foreign import Interruption
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.compiling import missing_compiler
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device, choose_device, describe
from bench.engine.speeds import Speeds
from bench.executors.contract import Options
from bench.extras import missing
from bench.planning.compiled import CompiledCheck, CompiledStep
from bench.profiling import at_once, order
from bench.profiling.device_table import COMPILED, SIDES, TRAINER, Found, Line, Setting, Turn, table
from bench.profiling.made_up import SHAPES, MadeUp, save_encoder
from bench.registry import Registry, discover

ROUNDS = 3  # that count
TURNS, COMPILING, AT_ONCE = (
    0.55,
    0.72,
    0.82,
)  # of the time limit is over after the turns, the compiled layers and the seeds at once; then the orders
STRATEGIES = ("full", "top-layers", "frozen")
TO_COMPILE = {"cpu": (), "cuda": ("bert-base-size", "minilm-size")}
"""Encoders that are measured compiled as well, in this order: the first has one length, and pays the first use of
the compiler."""


def _setting(shape: str, rows: int, length: int | None) -> Setting:
    task = MadeUp(f"made-up-{'long' if length else 'short'}-{rows}", rows, length)
    return Setting(shape, task, Recipe(epochs=1, batch_size=32, max_length=128, evaluations=1))


SETTINGS = {
    "cpu": (_setting("tiny", 128, None),),
    "cuda": (_setting("minilm-size", 4096, None), _setting("bert-base-size", 2048, 126)),
}
"""What is measured: on a CPU an encoder so small that it only shows that the check runs."""


class TimeIsUp(Interruption):
    """The limit is reached."""


@dataclass(frozen=True)
class Checked:
    """The table, and what it says of compiled layers, for `plan`."""

    table: Table
    compiled: CompiledCheck

    def as_json(self) -> bytes:
        """A table as in other files, and beside its parts `compiled`."""
        values = TypeAdapter(Table).dump_python(self.table, mode="json")
        return json.dumps(values | {"compiled": asdict(self.compiled)}, indent=1).encode()


def check(device: str, limit: float, threads: int | None = None) -> Checked:
    """Measure, and show what there is after `limit` seconds. BenchError where there is no such device."""
    began = time.monotonic()
    chosen = choose_device(device, threads)
    settings = SETTINGS[chosen.torch.type]
    places: list[order.Places] = []
    gains: list[at_once.AtOnce] = []
    rates: list[float] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="transferbench-device-") as folder:
        lines = _lines(settings, Path(folder))
        compiled = _compiled_lines(lines, chosen)
        lacking = missing_compiler(chosen.torch) if compiled else "on a CPU they did not pay"
        given = tuple(setting.task for setting in settings)
        context = RunContext(Registry(discover(given), Sources(Path(folder, "cache"))), chosen)
        options = Options(device=device, threads=threads, plugin_files=given)
        cells = [line.cell for line in lines if line.setting is settings[0] and line.side == SIDES[0]]
        parts: dict[str, tuple[float, Callable[[], object]]] = {
            "matrix rate": (1.0, lambda: rates.append(Speeds(chosen, context.registry.sources.cache).gemm())),
            "turns": (TURNS, lambda: _take_turns(lines, context)),
            "compiled layers": (COMPILING, lambda: None if lacking else _compile(compiled, context)),
            "seeds at once": (AT_ONCE, lambda: gains.append(at_once.measure(cells[0], context))),
            "two orders": (1.0, lambda: places.extend(order.measure(cells, context.registry, options))),
        }
        reached = False
        for name, (share, action) in parts.items():
            left = share * limit - (time.monotonic() - began)
            try:
                reached |= not (left > 0 and _until(left, action))
            except Exception as error:  # the other parts are worth showing
                failed.append(f"{name}: {_reason(error)}")
    steps = _compiled_steps(lines, compiled)
    reason = (
        ""
        if steps
        else lacking or next((line.failed for line in compiled if line.failed), "no time was left")
    )
    shown = [*lines, *(line for line in compiled if line.turns)]
    found = Found(shown, places, reached, failed, reason, gains)
    name = describe(chosen).device
    return Checked(table(found, rates[0] if rates else 0.0, chosen), CompiledCheck(name, steps, reason))


def _reason(error: Exception) -> str:
    """An exception in one line, with the place where it was raised."""
    first = next(iter(str(error).splitlines()), "")[:200]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {first} ({Path(place.filename).name}:{place.lineno})"


def _lines(settings: Sequence[Setting], folder: Path) -> list[Line]:
    found = []
    for setting in settings:
        backbone = str(save_encoder(folder / setting.shape, SHAPES[setting.shape]))
        for strategy in STRATEGIES:
            cell = Cell("device", setting.task.name, strategy, backbone, 0, setting.recipe)
            found += [Line(setting, cell, side) for side in SIDES]
    return found


def _compiled_lines(lines: Sequence[Line], device: Device) -> list[Line]:
    """A line for full fine-tuning of each encoder that is to be compiled."""
    full = {line.setting.shape: line for line in lines if line.cell.strategy == "full"}
    names = TO_COMPILE[device.torch.type]
    return [Line(full[name].setting, full[name].cell, COMPILED) for name in names if name in full]


def _compile(lines: Sequence[Line], context: RunContext) -> None:
    """Each compiled line once: its steps are replayed, and compiling them is no part of their seconds."""
    for line in lines:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's own
            _take_turn(line, replace(context, compiled=True))


def _compiled_steps(lines: Sequence[Line], compiled: Sequence[Line]) -> tuple[CompiledStep, ...]:
    """Of the encoders that were measured as they are and compiled."""
    found = []
    for line in compiled:
        plain = next(o for o in lines if o.cell == line.cell and o.side == SIDES[0])
        if line.step and plain.step:
            shape = SHAPES[line.setting.shape]
            speeds = (plain.step, line.step, plain.setup, line.setup)
            found.append(CompiledStep(line.setting.shape, shape.layers, shape.width, *speeds))
    return tuple(found)


def _take_turns(lines: Sequence[Line], context: RunContext) -> None:
    """All lines once, then ROUNDS times more, the sides in turned order every other round."""
    pairs = [lines[place : place + len(SIDES)] for place in range(0, len(lines), len(SIDES))]
    for number in range(1 + ROUNDS):
        for pair in pairs:
            for line in pair if number % 2 == 0 else pair[::-1]:
                if not line.failed:
                    _take_turn(line, context)


def _take_turn(line: Line, context: RunContext) -> None:
    """Measure a line once more, and say on stderr what was found: nothing is lost if the process is ended."""
    gc.collect()
    context.device.reset_peak_memory()
    try:
        turn = _trainer(line, context) if line.side == TRAINER else _engine(line, context)
    except Exception as error:
        line.failed = _reason(error)
        found = line.failed
    else:
        line.turns.append(turn)
        found = f"{1000 * turn.seconds / turn.steps:.2f} ms a step, {turn.learn:.2f} s to learn"
    print(f"{line.title}: {found}", file=sys.stderr, flush=True)


def _engine(line: Line, context: RunContext) -> Turn:
    group = prepare_group(line.cell, context)
    record, _ = run_cell(line.cell, group, context, lambda _: None)
    took, line.operations, line.adaptations = record.seconds, record.flops, record.adaptations
    learn = took.prepare + took.prefix + took.compile + took.train
    setup = took.compile / max(group.workspaces.captures, 1)
    return Turn(record.curve[-1].step, took.train, learn, record.peak_memory, setup or None)


def _trainer(line: Line, context: RunContext) -> Turn:
    from bench.models.on_device import looking

    try:
        from bench.peers.measurement import SideOutcome
        from bench.peers.settings import Settings
        from bench.peers.trainer import run_trainer as run
    except ImportError as error:
        raise missing("profile --kind device", "peers", error) from error
    # Trainer prints its own summary, and what it warns of is no failure of the check
    with redirect_stdout(io.StringIO()), looking(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
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
