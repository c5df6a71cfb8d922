"""Score against cost: the points of a task, its Pareto front, and the places of the names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.analysis.groups import Key, is_one_machine
from bench.analysis.statistics.ties import equal
from bench.report.encodings import interval
from bench.report.reading import Reading

Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Option:
    """A strategy as a choice: median cold seconds, mean headline score in [0, 1] with the ends of its
    interval (the mean twice where there is none). front: no other is at least as cheap and as good,
    which is known where all ran on one machine."""

    key: Key
    seconds: float
    score: float
    low: float
    high: float
    front: bool


def options(reading: Reading, task: str) -> list[Option]:
    """The finished strategies of a task with a known time, cheapest first."""
    found = []
    for group in reading.of_task(task):
        metric, seconds = reading.headline(task), group.seconds()
        score = reading.entry(group.key, metric).value
        if isinstance(score, float) and seconds:
            found.append((group.key, seconds, score, *interval(reading, group, metric)))
    found.sort(key=lambda item: (item[1], -item[2]))
    comparable = is_one_machine(*(group.machines() for group in reading.of_task(task)))
    best, result = -math.inf, []
    for key, seconds, score, low, high in found:
        ahead = comparable and score > best and not equal(score, best)
        result.append(Option(key, seconds, score, low, high, ahead))
        best = max(best, score)
    return result


@dataclass(frozen=True)
class Place:
    """The place of a name beside its point, in units of the chart; y grows downwards."""

    align: Align
    dx: float
    dy: float

    @property
    def far(self) -> bool:
        """Whether a line must connect the name to its point."""
        return self in FAR


NEAR = (
    Place("left", 8, -6),  # above the front, which runs to the right
    Place("right", -8, -6),
    Place("left", 8, 4),
    Place("right", -8, 4),
    Place("center", 0, -9),
    Place("center", 0, 18),
    Place("left", 8, 16),
    Place("right", -8, 16),
)
FAR = tuple(
    place
    for across, up, down in ((18, -24, 32), (34, -42, 50), (50, -60, 68))
    for dy in (up, down)
    for place in (Place("left", across, dy), Place("right", -across, dy))
)
"""With a thin line to the point, where points crowd."""
EVERY = (*NEAR, *FAR)
LETTER = 6.6  # units of width, about
Box = tuple[float, float, float, float]
OUTSIDE = (np.inf, np.inf, -np.inf, -np.inf)
"""A box that overlaps nothing."""


def places(
    points: Sequence[tuple[float, float]], names: Sequence[str], size: tuple[float, float]
) -> list[Place]:
    """For each point (x, y) the first place where its name overlaps no other point, no earlier name and no edge of
    a chart of this (width, height); where there is none, the place with the least overlap."""
    boxes = np.array([(x - 5, y - 5, x + 5, y + 5) for x, y in points]).reshape(-1, 4)
    taken = np.concatenate(
        [boxes, np.empty_like(boxes)]
    )  # of all points, then of the names that have a place
    chosen = []
    for number, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        own, taken[number] = taken[number].copy(), OUTSIDE
        others = taken[: len(points) + number]
        tried = [_box(x, y, place, name) for place in EVERY]
        overlaps = _overlaps(np.array(tried), others, size)
        best = overlaps.index(min(overlaps))
        chosen.append(EVERY[best])
        taken[number], taken[len(points) + number] = own, tried[best]
    return chosen


def _box(x: float, y: float, place: Place, name: str) -> Box:
    length = LETTER * len(name)
    start = x + place.dx - {"left": 0.0, "center": length / 2, "right": length}[place.align]
    return start, y + place.dy - 10, start + length, y + place.dy + 2


def _overlaps(boxes: np.ndarray, others: np.ndarray, size: tuple[float, float]) -> list[float]:
    """For each box [boxes, 4] the area that overlaps others [others, 4], plus a penalty for sticking out of the
    chart."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    shared = np.maximum(np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - low, 0.0).prod(-1)
    outside = np.maximum(-boxes[:, :2], 0.0) + np.maximum(boxes[:, 2:] - size, 0.0)
    return [
        sum(row[row > 0].tolist()) + 20 * sum(out) for row, out in zip(shared, outside.tolist(), strict=True)
    ]
