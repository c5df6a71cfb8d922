"""Score against cost: the points of a task, its Pareto front, and the places of the names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.groups import Key
from bench.report.reading import Reading

Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Option:
    """A strategy as a choice: median cold seconds, mean headline score in [0, 1] with half of its interval (NaN
    where there is none). front: no other is at least as cheap and as good."""

    key: Key
    seconds: float
    score: float
    half: float
    front: bool


def options(reading: Reading, task: str) -> list[Option]:
    """The finished strategies of a task with a known time, cheapest first."""
    found = []
    for group in reading.of_task(task):
        entry, seconds = reading.entry(group.key, reading.headline(task)), group.seconds()
        if isinstance(entry.value, float) and seconds:
            half = math.nan if entry.spread is None else entry.spread
            found.append((group.key, seconds, entry.value, half))
    found.sort(key=lambda item: (item[1], -item[2]))
    best, result = -math.inf, []
    for key, seconds, score, half in found:
        result.append(Option(key, seconds, score, half, score > best))
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
LETTER = 6.6  # units of width, about
Box = tuple[float, float, float, float]


def places(
    points: Sequence[tuple[float, float]], names: Sequence[str], size: tuple[float, float]
) -> list[Place]:
    """For each point (x, y) the first place where its name overlaps no other point, no earlier name and no edge of
    a chart of this (width, height); where there is none, the place with the least overlap."""
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    chosen = []
    for number, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        others = taken[:number] + taken[number + 1 :]
        boxes = [(place, _box(x, y, place, name)) for place in (*NEAR, *FAR)]
        place, box = min(boxes, key=lambda item: _overlap(item[1], others, size))
        chosen.append(place)
        taken.append(box)
    return chosen


def _box(x: float, y: float, place: Place, name: str) -> Box:
    length = LETTER * len(name)
    start = x + place.dx - {"left": 0.0, "center": length / 2, "right": length}[place.align]
    return start, y + place.dy - 10, start + length, y + place.dy + 2


def _overlap(box: Box, others: Sequence[Box], size: tuple[float, float]) -> float:
    """The area that overlaps others, plus a penalty for sticking out of the chart."""
    outside = sum(max(0.0, -box[side]) + max(0.0, box[side + 2] - size[side]) for side in (0, 1))
    shared = sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )
    return shared + 20 * outside
