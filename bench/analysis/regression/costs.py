"""Seconds and memory of two runs on the same machine: relative, against noise, with a minimum effect.

Times are compared as logarithms, because their noise is multiplicative. The noise has two parts: between the seeds
of a run, pooled over all cells, and between repeated runs, which the seeds of one run cannot show (Kalibera & Jones
2013, ISMM, on levels of repetition). The second is an option, 5% unless measured.

A machine that is busy, or slower, slows every cell. So a cell's seconds are judged by how much more they grew than
those of the median cell; a note says how much that one grew. A cell whose time was measured once in either run
counts for the median, and gets no verdict: seeds that share a prefix copy its time, which is then one measurement,
whatever their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal, Protocol

from bench.analysis.groups import Group, Key, is_one_machine
from bench.analysis.statistics.familywise import holm
from bench.analysis.statistics.intervals import student_tail
from bench.analysis.timing import TimeNoise, is_charged, pooled_variance
from bench.analysis.timing import noise as pooled_noise
from bench.runs.record import Record
from bench.text import counted

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
    known = {
        key: pair for key, pair in pairs.items() if is_one_machine(*(group.machines() for group in pair))
    }
    notes = []
    if len(known) < len(pairs):
        others = counted(len(pairs) - len(known), "cell")
        notes.append(f"Not compared, because of other machines: time and memory of {others}.")
    timed = {key: pair for key, pair in known.items() if min(group.measurements() for group in pair) > 1}
    if len(timed) < len(known):
        notes.append(
            f"No verdict on the time of {counted(len(known) - len(timed), 'cell')}: it was measured once in one of "
            "the runs."
        )
    slowdown = _typical_growth(known)
    if abs(math.expm1(slowdown)) >= NOTABLE:
        notes.append(
            f"The median cell takes {math.exp(slowdown):.2f} times as long as in the baseline: another load of the "
            "machine, or code that all cells share. Times are judged relative to it."
        )
    seconds = _judged(timed, "seconds", _cold, options, slowdown)
    memory = _judged(known, "memory", _peak, options)
    found = sorted([*seconds, *memory], key=lambda item: (not item.grew, -item.change))
    return tuple(found), tuple(notes)


def _cold(record: Record) -> float:
    """0 where its seconds are another seed's."""
    return 0.0 if is_charged(record) else record.seconds.cold


def _peak(record: Record) -> float:
    """0 where it is another seed's."""
    return 0.0 if is_charged(record) else float(record.peak_memory)


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
    timed = quantity == "seconds"
    within, noise = (_time_noise(pairs), options.time_noise) if timed else (_noise(logs.values()), 0.0)
    least = math.log1p(options.slower if timed else options.larger)
    p = []
    for key, (before, after) in logs.items():
        weight = _time_weight(pairs[key]) if timed else 1 / len(before) + 1 / len(after)
        error = math.sqrt(within.variance * weight + 2 * noise**2)
        growth = fmean(after) - fmean(before) - typical
        p.append(student_tail(growth / error, within.dof or math.inf) if error > 0 else float(growth <= 0))
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


def _noise(pairs: Iterable[tuple[list[float], list[float]]]) -> TimeNoise:
    return TimeNoise(*pooled_variance([side for pair in pairs for side in pair]))


def _time_noise(pairs: Mapping[Key, tuple[Group, Group]]) -> TimeNoise:
    """The noise of times in both runs, from the parts that were measured again."""
    return pooled_noise(found for pair in pairs.values() for group in pair if (found := group.timing()))


def _time_weight(pair: tuple[Group, Group]) -> float:
    """The variance of a growth, in units of that of one measurement."""
    return sum(found.weight for group in pair if (found := group.timing()))
