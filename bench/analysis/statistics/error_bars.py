"""What may be shown around a mean over seeds: one rule for every table, sentence and chart.

An interval speaks of other seeds and other test examples. One seed says nothing about other seeds, so it has none:
a note or a sentence says how far the choice of test examples alone moves it, and that this is of one model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.groups import Group, collapsed
from bench.analysis.statistics.intervals import Interval
from bench.analysis.statistics.scales import SHARE, Scale

Kind = Literal["symmetric", "exact", "wide", "seeds", "single"]


@dataclass(frozen=True)
class ErrorBar:
    """What may be shown around a mean.

    `symmetric`: half of an interval. `exact`: the bounds of an exact one, over test examples. `wide`: bounds
    that are cut to what the score can be. `seeds`: the points of single seeds, of which some learned nothing, in
    place of an interval. `single`: nothing, since there is one seed; half is then that of an interval over test
    examples alone.

    scale: of the score."""

    kind: Kind
    half: float
    seeds: int
    bounds: tuple[float, float] | None = None
    points: tuple[float, ...] = ()
    scale: Scale = SHARE

    @property
    def spread(self) -> float | None:
        """Half of an interval, its longer side; None where none would hold."""
        return None if self.kind in ("seeds", "single") else self.half

    @property
    def in_points(self) -> bool:
        """Whether the score is a share of some range, not an error in units of its own."""
        return math.isfinite(self.scale.highest)


def error_bar(found: Interval, scale: Scale = SHARE, points: Sequence[float] = ()) -> ErrorBar:
    """What may be shown of an interval. scale: of the score. points: of the seeds, where some of them learned
    nothing and others did (`seeds_apart`)."""
    if found.seeds == 1 and found.bounds is None:
        return ErrorBar("single", min(found.half, scale.highest - scale.lowest), 1, scale=scale)
    if points:
        return ErrorBar("seeds", found.half, found.seeds, points=tuple(points), scale=scale)
    if found.bounds is not None:
        return ErrorBar("exact", found.half, found.seeds, found.bounds, scale=scale)
    if 2 * found.half > scale.highest - scale.lowest:
        within = scale.within(found.low), scale.within(found.high)
        return ErrorBar("wide", found.half, found.seeds, within, scale=scale)
    return ErrorBar("symmetric", found.half, found.seeds, scale=scale)


def seeds_apart(group: Group, metric: str, test: str = "test") -> tuple[float, ...]:
    """The scores of a group's seeds on a test set where some of them learned nothing and others did; else none.
    What a seed learned shows on the test set of its own domain, on which its floor is known."""
    return tuple(group.scores(metric, test)) if collapsed(group) else ()


def of_differences(scale: Scale) -> Scale:
    """What the difference of two such scores can be."""
    width = scale.highest - scale.lowest
    return Scale(-width, width, odds=False)
