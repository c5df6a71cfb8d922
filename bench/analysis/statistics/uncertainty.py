"""How sure the scores of a table are: their spreads, and which are tied with the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.loading import Predictions
from bench.analysis.statistics.intervals import EXACT, MEANING, intervals
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample

STANDARD_DEVIATION = (
    "± is the standard deviation over seeds, not an interval: "
    "predictions were not read (table --intervals reads them)."
)
TIED = (
    "Bold: the best mean of its task. Underlined: cannot be told from it (paired bootstrap on the same examples, "
    "noise over seeds moderated across cells, log-odds of the mean; Holm-corrected over all tasks, 5%)."
)


class Shown(NamedTuple):
    """A score that a table shows."""

    key: Key
    metric: str
    test: str = "test"


@dataclass(frozen=True)
class Uncertainty:
    """spread: half of an interval, or a standard deviation, in units of the score; `notes` say which. bounds: of
    the intervals that are not symmetric."""

    spread: Mapping[Shown, float]
    tied: frozenset[Shown] = frozenset()
    notes: tuple[str, ...] = ()
    bounds: Mapping[Shown, tuple[float, float]] = field(default_factory=dict)


def from_seeds(
    groups: Mapping[Key, Group], metrics: Mapping[Key, Iterable[str]], test: str = "test"
) -> Uncertainty:
    """Standard deviations over seeds, with Bessel's correction; none below two seeds."""
    spread = {
        Shown(key, metric, test): float(np.std(values, ddof=1))
        for key, group in groups.items()
        for metric in metrics[key]
        if len(values := group.scores(metric, test)) > 1
    }
    return Uncertainty(spread, notes=(STANDARD_DEVIATION,))


def from_predictions(
    groups: Mapping[Key, Group],
    metrics: Mapping[Key, Iterable[str]],
    predictions: Callable[[str], Predictions],
    test: str = "test",
) -> Uncertainty:
    """95% intervals over seeds and examples, and ties; a score without predictions has neither.

    What the groups say about noise together, and the correction of ties, are those of a metric over all tasks."""
    source = Source(predictions)
    found: dict[tuple[Key, str], Resampled] = {}
    for key, group in groups.items():
        for metric in metrics[key]:
            if (scores := resample(group, metric, source, test)) is not None:
                found[key, metric] = scores
    spread: dict[Shown, float] = {}
    bounds: dict[Shown, tuple[float, float]] = {}
    tied: set[Shown] = set()
    for metric in {metric: None for _, metric in found}:
        parts = {key: scores.components() for (key, name), scores in found.items() if name == metric}
        for key, item in intervals(parts).items():
            spread[Shown(key, metric, test)] = item.half
            if item.bounds is not None:
                bounds[Shown(key, metric, test)] = item.bounds
        own = {(key, name): scores for (key, name), scores in found.items() if name == metric}
        compared = compare_pairs(own, with_best(own))
        tied |= {Shown(item.second, metric, test) for item in compared if item.tied}
    notes = [MEANING, TIED]
    if any(len(scores.seeds) == 1 for scores in found.values()):
        notes.append("With one seed the interval covers the test examples alone.")
    if bounds:
        notes.append(EXACT)
    if clustered := {key.task: scores.clusters for (key, _), scores in found.items() if scores.clusters}:
        counts = ", ".join(f"{task} ({count:,})" for task, count in clustered.items())
        notes.append(f"Test examples are resampled by the document that they come from: {counts} documents.")
    return Uncertainty(spread, frozenset(tied), tuple(notes), bounds)
