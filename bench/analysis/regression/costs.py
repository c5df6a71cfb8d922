"""Seconds and memory of two runs on the same machine: relative, against noise, with a minimum effect.

Times are compared as logarithms, because their noise is multiplicative. The noise has two parts: between the seeds
of a run, pooled over all cells, and between repeated runs, which the seeds of one run cannot show (Kalibera & Jones
2013, ISMM, on levels of repetition). The second is an option, 5% unless measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, Protocol

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.familywise import holm
from bench.analysis.statistics.intervals import student_tail
from bench.runs.record import Record

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
    """A cell's cold seconds or peak bytes in two runs; `grew` where it is more than noise and the minimum."""

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
    same = {key: pair for key, pair in pairs.items() if pair[0].machines() == pair[1].machines()}
    notes = ()
    if len(same) < len(pairs):
        notes = (f"Time and memory of {len(pairs) - len(same)} cells are not compared: other machines.",)
    seconds = _judged(same, "seconds", lambda record: record.seconds.cold, options)
    memory = _judged(same, "memory", lambda record: float(record.peak_memory), options)
    return tuple(sorted([*seconds, *memory], key=lambda item: (not item.grew, -item.change))), notes


def _judged(
    pairs: Mapping[Key, tuple[Group, Group]],
    quantity: Quantity,
    value: Callable[[Record], float],
    options: CostOptions,
) -> list[Cost]:
    logs: dict[Key, tuple[list[float], list[float]]] = {}
    for key, (old, new) in pairs.items():
        sides = [
            [math.log(value(record)) for record in group.done if value(record) > 0] for group in (old, new)
        ]
        if sides[0] and sides[1]:
            logs[key] = (sides[0], sides[1])
    variance, dof = pooled_variance([side for pair in logs.values() for side in pair])
    noise = options.time_noise if quantity == "seconds" else 0.0
    least = math.log1p(options.slower if quantity == "seconds" else options.larger)
    p = []
    for before, after in logs.values():
        error = math.sqrt(variance * (1 / len(before) + 1 / len(after)) + 2 * noise**2)
        growth = fmean(after) - fmean(before)
        p.append(student_tail(growth / error, dof) if error > 0 else float(growth <= 0))
    return [
        Cost(
            key,
            quantity,
            math.exp(fmean(before)),
            math.exp(fmean(after)),
            adjusted,
            adjusted < options.alpha and fmean(after) - fmean(before) >= least,
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
