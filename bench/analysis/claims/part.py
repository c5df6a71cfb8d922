"""A claim on one task with one encoder, and the effects that parts have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from bench.analysis.claims.conditions import Sides
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.over_tasks import Effect, student
from bench.analysis.statistics.resampling import Resampled

UNPAIRED = "no predictions on the same examples and seeds of this test set, or all of one document"
ONE_SEED = "one seed says nothing about other seeds: two are needed"


@dataclass(frozen=True)
class Part:
    """A claim on one task with one encoder. effect: None where `reason` says why it cannot be measured.

    above: the lower bound there, where it is not the claim's own."""

    name: str
    sides: Sides
    effect: Effect | None = None
    reason: str = ""
    above: float | None = None


def estimated(found: Mapping[str, tuple[Sides, Resampled | None]], known: Sequence[str] = ()) -> list[Part]:
    """The effects of resampled scores, moderated over the parts. known: parts that were scored on the very examples
    of the published score, so that examples add no noise. The variance of an effect is that of a normal error with
    the same interval: Student's t over two or three documents has none."""
    parts = {place: item.components() for place, (_, item) in found.items() if item is not None}
    kept = {
        place: replace(part, example=0.0, exact=None, example_dof=math.inf) if place in known else part
        for place, part in parts.items()
        if part.seeds > 1
    }
    effects = {
        place: Effect(item.mean, ((item.high - item.low) / 2 / 1.96) ** 2, item.low, item.high)
        for place, item in intervals(kept).items()
    }
    return [
        Part(place, sides, effects.get(place), "" if place in effects else ONE_SEED if item else UNPAIRED)
        for place, (sides, item) in found.items()
    ]


def minus(first: Resampled | None, second: Resampled | None, share: float = 1.0) -> Resampled | None:
    """`first` minus `share` times `second`, on the seeds and examples of both."""
    if first is None or second is None:
        return None
    return first.minus(replace(second, scores=share * second.scores, draws=share * second.draws))


def mean_over_seeds(values: Sequence[float], known: float = 0.0) -> Effect:
    """A mean over seeds with Student's interval. known: a further variance of the mean."""
    value, variance = fmean(values), stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    half = student(max(len(values) - 1, 1)) * math.sqrt(variance) if variance else 0.0
    half = math.hypot(half, 1.96 * math.sqrt(known))
    return Effect(value, variance + known, value - half, value + half)
