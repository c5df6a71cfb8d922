"""Choosing rates from a development run, and fixing them in the suite's file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.contracts import BenchError, Cell
from bench.planning.rates import Rates, suite_digest
from bench.protocol.draw import SUFFIX
from bench.runs import atomic_files
from bench.runs.record import Record

Place = tuple[str, str, str]
"""Task, encoder and strategy."""

MARK = (
    "# Written by `bench rates`: what was chosen on the development draw. Do not edit; the suite is frozen.\n"
)


@dataclass(frozen=True)
class Choice:
    """The scale that was chosen for a task, encoder and strategy. losses: mean validation loss by scale; None where
    a seed diverged."""

    place: Place
    scale: float
    losses: Mapping[float, float | None]

    @property
    def at_edge(self) -> bool:
        """Whether the best scale is the smallest or the largest that was tried: a better one may lie beyond."""
        return self.scale in (min(self.losses), max(self.losses))


def place_of(cell: Cell) -> Place:
    """What a rate is chosen for; of a cell on a development draw, the task that it is drawn from."""
    return cell.task.removesuffix(SUFFIX), cell.backbone, cell.strategy


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
    return Choice(place, min(sound, key=sound.__getitem__), losses)


def merged(known: Rates | None, choices: Sequence[Choice], again: bool) -> dict[Place, float]:
    """The chosen rates with those that the suite has. BenchError where one was fixed at another value, unless they
    are to be chosen again."""
    fixed = {} if known is None else _flat(known)
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


def _flat(rates: Rates) -> dict[Place, float]:
    return {
        (task, backbone, strategy): scale
        for task, backbones in rates.scales.items()
        for backbone, strategies in backbones.items()
        for strategy, scale in strategies.items()
    }


def write(path: Path, rates: Mapping[Place, float]) -> None:
    """Put the rates at the end of a suite's file, in place of those that are there."""
    before = path.read_text(encoding="utf-8").partition(MARK)[0].rstrip("\n")
    of = suite_digest(tomllib.loads(before))
    text = f"{before}\n\n{MARK}{_section(of, rates)}"
    atomic_files.write(path, text.encode())


def _section(of: str, rates: Mapping[Place, float]) -> str:
    lines = ["[rates]", f'of = "{of}"']
    tables: dict[tuple[str, str], list[str]] = {}
    for (task, backbone, strategy), scale in sorted(rates.items()):
        tables.setdefault((task, backbone), []).append(f"{_key(strategy)} = {scale!r}")
    for (task, backbone), entries in tables.items():
        lines += ["", f"[rates.scales.{_key(task)}.{_key(backbone)}]", *entries]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    """A TOML key: quoted, since names may hold dots and slashes."""
    return json.dumps(name, ensure_ascii=False)
