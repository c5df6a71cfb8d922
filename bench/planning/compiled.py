"""Whether compiling layers pays for a suite: from what `profile --kind device` measured on this device, if it did.

Pure but for reading its files; imports no torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.contracts import BenchError, Cell
from bench.data.ladder import PAYS, Ladder
from bench.planning.workload import frozen_layers, sizes
from bench.registry import Registry
from bench.text import counted, duration

FOLDER = Path("results/speed")


@dataclass(frozen=True)
class CompiledStep:
    """A training step of an encoder all of whose layers learn, as it is and compiled.

    encoder: its name; layers, width: its shape. plain, compiled: seconds a step. capture, setup: seconds to prepare
    one length of the ladder, as it is and compiled."""

    encoder: str
    layers: int
    width: int
    plain: float
    compiled: float
    capture: float
    setup: float


@dataclass(frozen=True)
class CompiledCheck:
    """What was measured on a device. device: the GPU's name, or `cpu`. reason: why there are no steps."""

    device: str
    steps: tuple[CompiledStep, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Saved:
    """steps: of all cells. saved, cost: seconds that compiling saves, and costs to set up. lengths: that it is done
    for. like: the measured encoder of most steps."""

    steps: float
    saved: float
    cost: float
    lengths: int
    like: CompiledStep


@dataclass(frozen=True)
class _File:
    compiled: CompiledCheck


def read(folder: Path = FOLDER) -> list[CompiledCheck]:
    """What the measured files of a folder say of compiled layers; files without it are passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(TypeAdapter(_File).validate_json(path.read_bytes()).compiled)
        except (OSError, ValidationError):
            continue
    return found


def advice(cells: Sequence[Cell], registry: Registry, device: str, checks: Iterable[CompiledCheck]) -> str:
    """Whether `run --compile` would pay for these cells on the device, in a sentence or two."""
    if device == "cpu":
        return "compiled layers: on a CPU they did not pay; leave --compile off"
    here = [check for check in checks if check.device == device]
    check = next((check for check in here if check.steps), None)
    if check is None:
        reason = next((f" ({check.reason})" for check in here if check.reason), "")
        return (
            f"compiled layers: not measured on this device, {device}{reason}; `make gpu-check` measures them"
        )
    found = _saved(cells, registry, check)
    if found is None:
        return "compiled layers: no layer learns in these cells, so there is nothing to compile"
    like, pays = found.like, found.saved > found.cost
    return (
        f"compiled layers: on {device} a step of {like.encoder} takes {1000 * like.compiled:.2f} ms instead of "
        f"{1000 * like.plain:.2f}, and each length of a batch {like.setup - like.capture:.1f} s more to set up. "
        f"The {found.steps:,.0f} steps of these cells would take {duration(abs(found.saved))} "
        f"{'less' if found.saved >= 0 else 'more'}, and setting up {counted(found.lengths, 'length')} "
        f"{duration(found.cost)} more: "
        + ("--compile pays" if pays else "--compile does not pay; leave it off")
    )


def _saved(cells: Sequence[Cell], registry: Registry, check: CompiledCheck) -> _Saved | None:
    """Sums over the cells; None where no layer learns in any. Lengths are counted once for each task and backbone,
    whose strategies share what is compiled."""
    steps = saved = 0.0
    longest: dict[tuple[str, str], tuple[int, CompiledStep]] = {}
    most: Counter[CompiledStep] = Counter()
    for cell in cells:
        taken, share = _steps(cell, registry)
        if not share:
            continue
        like = _nearest(cell, registry, check)
        steps += taken
        saved += taken * share * (like.plain - like.compiled)
        most[like] += taken
        rungs = len(Ladder.up_to(cell.recipe.max_length).rungs)
        lengths = max(1, min(rungs, taken // PAYS))
        key = cell.task, cell.backbone
        longest[key] = max(longest.get(key, (0, like)), (lengths, like), key=lambda found: found[0])
    if not longest:
        return None
    cost = sum(lengths * (like.setup - like.capture) for lengths, like in longest.values())
    lengths = sum(lengths for lengths, _ in longest.values())
    return _Saved(steps, saved, cost, lengths, most.most_common(1)[0][0])


def _steps(cell: Cell, registry: Registry) -> tuple[int, float]:
    """Optimizer steps of a cell, and the share of the layers that learn in them, on average."""
    depth, recipe = registry.layers(cell), cell.recipe
    try:
        phases = [phase for phase in registry.phases(cell) if phase.solver == "adamw"]
    except BenchError:  # the strategy does not fit
        return 0, 0.0
    if not phases or not depth:
        return 0, 0.0
    frozen = frozen_layers(phases, depth)
    share = sum(phase.share * (depth - below) for phase, below in zip(phases, frozen, strict=True)) / depth
    train, *_ = sizes(type(registry.task(cell.task)), cell)
    return max(1, len(recipe.tune)) * math.ceil(recipe.epochs * train / recipe.batch_size), share


def _nearest(cell: Cell, registry: Registry, check: CompiledCheck) -> CompiledStep:
    """The measured encoder whose layers are nearest in size, all together."""
    size = registry.layers(cell) * registry.shape(cell.backbone).width ** 2
    return min(check.steps, key=lambda step: abs(math.log(step.layers * step.width**2 / size)))
