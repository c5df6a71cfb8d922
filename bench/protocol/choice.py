"""Choosing rates from a development run, and fixing them in the suite's file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.contracts import BenchError, Cell, Strategy
from bench.planning.rates import KEY, Rates, choice_digest, default_rates, suite_digest
from bench.runs import atomic_files
from bench.runs.drawn import drawn_from
from bench.runs.record import Record

Place = tuple[str, str, str]
"""Task (with its size, as `name@size`), encoder and strategy."""

MARK = (
    "# Written by `bench rates`: what was chosen on the development draw. Do not edit; the suite is frozen.\n"
)


@dataclass(frozen=True)
class Choice:
    """The scale that was chosen for a task, encoder and strategy. losses: mean validation loss by scale; None where
    a seed diverged. rows: validation rows that decided; 0: not known."""

    place: Place
    scale: float
    losses: Mapping[float, float | None]
    rows: int = 0

    @property
    def at_edge(self) -> bool:
        """Whether the best scale is the smallest or the largest that was tried: a better one may lie beyond."""
        return self.scale in (min(self.losses), max(self.losses))


def place_of(cell: Cell) -> Place:
    """What a rate is chosen for; of a cell on a development draw, the task that it is drawn from."""
    return drawn_from(cell.task), cell.backbone, cell.strategy


def choose(records: Iterable[Record]) -> list[Choice]:
    """For each task, encoder and strategy the scale with the lowest mean validation loss over seeds, the first of
    equals. BenchError where every scale diverged."""
    found: dict[Place, list[Record]] = {}
    for record in records:
        found.setdefault(place_of(record.cell), []).append(record)
    return [_chosen(place, group) for place, group in found.items()]


def _chosen(place: Place, records: Sequence[Record]) -> Choice:
    scales = dict.fromkeys(trial.scale for record in records for trial in record.trials)
    losses: dict[float, float | None] = {}
    for scale in scales:
        tried = [trial.loss for record in records for trial in record.trials if trial.scale == scale]
        values = [loss for loss in tried if loss is not None]
        losses[scale] = fmean(values) if len(values) == len(records) else None
    sound = {scale: loss for scale, loss in losses.items() if loss is not None and math.isfinite(loss)}
    if not sound:
        raise BenchError(
            f"{'/'.join(place)}: no scale was tried in every seed without diverging: run the development draw with "
            "smaller scales",
            code="no-sound-rate",
        )
    return Choice(place, min(sound, key=sound.__getitem__), losses, min(map(deciding, records)))


def deciding(record: Record) -> int:
    """The validation rows that decided in a record; 0: not known."""
    return record.data.sizes.get("validation", 0) if record.data else 0


def check_rows(records: Iterable[Record], validation: int, available: Callable[[Record], int]) -> None:
    """BenchError where fewer than `validation` rows decided although the development draw has more.

    available: the validation rows that a record's cell would have now."""
    few = {record.cell.task: record for record in records if 0 < deciding(record) < validation}
    for record in few.values():
        rows, most = deciding(record), min(available(record), validation)
        if rows < most:
            task = drawn_from(record.cell.task)
            raise BenchError(
                f"task '{task}': {rows:,} validation rows decided, and its development draw now has {most:,}: run "
                f"it again with --rates development --fresh --task {task}",
                code="too-few-rows-decided",
            )


def merged(known: Rates | None, choices: Sequence[Choice], again: bool) -> dict[Place, float]:
    """The chosen rates with those that the suite has. BenchError where one was fixed at another value, unless they
    are to be chosen again."""
    fixed = {} if known is None else flat(known)
    for choice in choices:
        before = fixed.get(choice.place, choice.scale)
        if before != choice.scale and not again:
            raise BenchError(
                f"{'/'.join(choice.place)}: its rate is fixed at {before:g} and would become {choice.scale:g}: "
                "test rows may have been scored with it; to choose again, say --again",
                code="rates-are-fixed",
            )
        fixed[choice.place] = choice.scale
    return fixed


def multiplied(
    known: Rates | None, choices: Sequence[Choice], again: bool, strategies: Mapping[str, Strategy]
) -> dict[str, str]:
    """By strategy, the digest of the default rates that its scales multiply: of the choices as they are now, of the
    others as they were. BenchError where scales that stay were chosen for other default rates."""
    defaults = {} if known is None else dict(known.defaults)
    new = {choice.place for choice in choices}
    kept = set() if known is None else {place[2] for place in flat(known) if place not in new}
    for name in dict.fromkeys(place[2] for place in new):
        now = default_rates(strategies[name])
        if defaults.get(name, now) != now and (name in kept or not again):
            raise BenchError(
                f"strategy '{name}': its default rates were changed after scales of them were chosen: delete the "
                "suite's section [rates] and choose all of them again, or undo the change",
                code="defaults-changed",
            )
        defaults[name] = now
    return defaults


def flat(rates: Rates) -> dict[Place, float]:
    """The chosen scales by place."""
    return {
        (task, backbone, strategy): scale
        for task, backbones in rates.scales.items()
        for backbone, strategies in backbones.items()
        for strategy, scale in strategies.items()
    }


def write(path: Path, rates: Mapping[Place, float], defaults: Mapping[str, str]) -> None:
    """Put the rates at the end of a suite's file, in place of those that are there. defaults: see `Rates`.
    BenchError where something else would be lost, or the rates would stand twice."""
    text = path.read_text(encoding="utf-8")
    before = text.partition(MARK)[0].rstrip("\n")
    _check_kept(path, before, tomllib.loads(text))
    atomic_files.write(path, f"{before}\n\n{MARK}{section(before, rates, defaults)}".encode())


def section(before: str, rates: Mapping[Place, float], defaults: Mapping[str, str]) -> str:
    """The section [rates] of a suite's file, of which `before` is the rest. defaults: see `Rates`."""
    of = suite_digest(tomllib.loads(before))
    tables = _tables(rates, defaults)
    chosen = choice_digest(tomllib.loads(tables)[KEY])
    return f'[{KEY}]\nof = "{of}"\nchosen = "{chosen}"\n{tables}'


def _check_kept(path: Path, before: str, whole: Mapping[str, Any]) -> None:
    """BenchError unless what stands before the rates is all of a suite's file but the rates."""
    try:
        kept = tomllib.loads(before)
    except tomllib.TOMLDecodeError:
        kept = {}
    line = MARK.strip()
    if KEY in kept:
        raise BenchError(
            f"{path}: its section [{KEY}] does not follow the line '{line}', so that it would stand twice: put "
            "this line back above it, or delete the section and choose all rates again",
            code="rates-out-of-place",
        )
    lost = [name for name, value in whole.items() if name != KEY and kept.get(name) != value]
    if lost:
        raise BenchError(
            f"{path}: what follows the line '{line}' is replaced by the new rates, and {', '.join(lost)} would be "
            "lost: move it above this line, or delete the line",
            code="rates-out-of-place",
        )


def _tables(rates: Mapping[Place, float], defaults: Mapping[str, str]) -> str:
    lines = ["", "[rates.defaults]"] if defaults else []
    lines += [f'{_key(strategy)} = "{found}"' for strategy, found in sorted(defaults.items())]
    tables: dict[tuple[str, str], list[str]] = {}
    for (task, backbone, strategy), scale in sorted(rates.items()):
        tables.setdefault((task, backbone), []).append(f"{_key(strategy)} = {scale!r}")
    for (task, backbone), entries in tables.items():
        lines += ["", f"[rates.scales.{_key(task)}.{_key(backbone)}]", *entries]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    """A TOML key: quoted, since names may hold dots and slashes."""
    return json.dumps(name, ensure_ascii=False)
