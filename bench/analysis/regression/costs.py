"""Seconds and memory of two runs on the same machine: relative, against noise, with a minimum effect.

Times are compared as logarithms, because their noise is multiplicative. The noise has two parts: between the seeds
of a run, pooled over all cells, and between repeated runs, which the seeds of one run cannot show (Kalibera & Jones
2013, ISMM, on levels of repetition). The second is an option, 5% unless measured.

A machine that is busy, or slower, slows every cell. So a cell's seconds are judged by how much more they grew than
those of the median cell; a note says how much that one grew. A cell whose time was measured once in either run gets
no verdict: seeds that share a prefix copy its time, which is then one measurement, whatever their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal, Protocol

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.familywise import holm
from bench.analysis.statistics.intervals import student_tail
from bench.runs.record import Record

FEW = 4  # cells that a median needs
NOTABLE = 0.1  # growth of the median cell that is worth a note
Quantity = Literal["seconds", "memory"]


class CostOptions(Protocol):
    """The options that costs are judged by (bench.analysis.regression.compare.CompareOptions)."""

    @property
    def alpha(self) -> float: ...
    @property
    def slower(self) -> float: ...
    @property
    def larger(self) -> float: ...
    @property
    def time_noise(self) -> float: ...


@dataclass(frozen=True)
class Cost:
    """A cell's cold seconds or peak bytes in two runs; `grew` where the growth exceeds noise and the minimum."""

    key: Key
    quantity: Quantity
    before: float
    after: float
    p: float
    grew: bool

    @property
    def change(self) -> float:
        """Relative: 0.25 is a quarter more."""
        return self.after / self.before - 1


def compare_costs(
    pairs: Mapping[Key, tuple[Group, Group]], options: CostOptions
) -> tuple[tuple[Cost, ...], tuple[str, ...]]:
    """The costs of the cells that ran on equal machines, the most grown first; and notes on the others."""
    known = {key: pair for key, pair in pairs.items() if pair[0].machines() == pair[1].machines()}
    notes = []
    if len(known) < len(pairs):
        notes.append(f"Time and memory of {len(pairs) - len(known)} cells are not compared: other machines.")
    timed = {key: pair for key, pair in known.items() if min(map(measurements, pair)) > 1}
    if len(timed) < len(known):
        notes.append(
            f"No verdict on the time of {len(known) - len(timed)} cells: it was measured once in one of the runs."
        )
    slowdown = _typical_growth(timed)
    if abs(math.expm1(slowdown)) >= NOTABLE:
        notes.append(
            f"The median cell takes {math.exp(slowdown):.2f} times as long as in the baseline: another load of the "
            "machine, or code that all cells share. Times are judged relative to it."
        )
    seconds = _judged(timed, "seconds", _cold, options, slowdown)
    memory = _judged(known, "memory", lambda record: float(record.peak_memory), options)
    found = sorted([*seconds, *memory], key=lambda item: (not item.grew, -item.change))
    return tuple(found), tuple(notes)


def measurements(group: Group) -> int:
    """How many independent measurements the cold seconds of a group rest on: its seeds, or, where what seeds may
    share (preparing rows and the prefix) makes most of the time, the different values of that part."""
    shared = [record.seconds.prepare + record.seconds.prefix for record in group.done]
    cold = [record.seconds.cold for record in group.done]
    return len(set(shared)) if 2 * sum(shared) > sum(cold) else len(cold)


def _cold(record: Record) -> float:
    return record.seconds.cold


def _typical_growth(pairs: Mapping[Key, tuple[Group, Group]]) -> float:
    """The median over cells of the logarithm of the growth of the cold seconds; 0 for fewer than FEW cells, where
    a slower one would be its own median."""
    logs = [_logs(pair, _cold) for pair in pairs.values()]
    growths = [fmean(after) - fmean(before) for before, after in logs if before and after]
    return median(growths) if len(growths) >= FEW else 0.0


def _logs(pair: tuple[Group, Group], value: Callable[[Record], float]) -> tuple[list[float], list[float]]:
    before, after = (
        [math.log(value(record)) for record in group.done if value(record) > 0] for group in pair
    )
    return before, after


def _judged(
    pairs: Mapping[Key, tuple[Group, Group]],
    quantity: Quantity,
    value: Callable[[Record], float],
    options: CostOptions,
    typical: float = 0.0,
) -> list[Cost]:
    """typical: the growth, as a logarithm, that every cell is expected to have."""
    sides = {key: _logs(pair, value) for key, pair in pairs.items()}
    logs = {key: (before, after) for key, (before, after) in sides.items() if before and after}
    variance, dof = pooled_variance([side for pair in logs.values() for side in pair])
    noise = options.time_noise if quantity == "seconds" else 0.0
    least = math.log1p(options.slower if quantity == "seconds" else options.larger)
    p = []
    for before, after in logs.values():
        error = math.sqrt(variance * (1 / len(before) + 1 / len(after)) + 2 * noise**2)
        growth = fmean(after) - fmean(before) - typical
        p.append(student_tail(growth / error, dof) if error > 0 else float(growth <= 0))
    return [
        Cost(
            key,
            quantity,
            math.exp(fmean(before)),
            math.exp(fmean(after)),
            adjusted,
            adjusted < options.alpha and fmean(after) - fmean(before) - typical >= least,
        )
        for (key, (before, after)), adjusted in zip(logs.items(), holm(p), strict=True)
    ]


def pooled_variance(samples: list[list[float]]) -> tuple[float, float]:
    """The variance within samples and its degrees of freedom; (0, infinity) where no sample has two values."""
    dof = sum(len(values) - 1 for values in samples)
    if dof == 0:
        return 0.0, math.inf
    squares = sum(sum((value - fmean(values)) ** 2 for value in values) for values in samples)
    return squares / dof, float(dof)
