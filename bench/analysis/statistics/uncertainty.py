"""How sure the scores of a table are: their spreads, and which are tied with the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.analysis.groups import Group, Key, scale
from bench.analysis.loading import Predictions
from bench.analysis.statistics import unequal
from bench.analysis.statistics.error_bars import ErrorBar, error_bar, seeds_apart
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.mcnemar import exact_tests
from bench.analysis.statistics.paired import Comparison, Scored, compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.statistics.resampling_all import resample_all
from bench.analysis.statistics.uncertainty_notes import Part, notes_on

STANDARD_DEVIATION = (
    "± is the standard deviation over seeds, not an interval: "
    "predictions were not read (table --intervals reads them)."
)


class Shown(NamedTuple):
    """A score that a table shows."""

    key: Key
    metric: str
    test: str = "test"


@dataclass(frozen=True)
class Uncertainty:
    """spread: half of an interval, or a standard deviation, in units of the score; `notes` say which. bounds: of
    the intervals that are not symmetric. points: the scores of single seeds where no interval would hold.
    comparisons: the tests behind the ties. resampled: the scores that all of this rests on. part: what notes say of
    it, for a table with several test sets."""

    spread: Mapping[Shown, float]
    tied: frozenset[Shown] = frozenset()
    notes: tuple[str, ...] = ()
    bounds: Mapping[Shown, tuple[float, float]] = field(default_factory=dict)
    points: Mapping[Shown, tuple[float, ...]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    resampled: Mapping[Scored, Resampled] = field(default_factory=dict, repr=False)
    part: Part = field(default_factory=Part)


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
    families: int = 1,
) -> Uncertainty:
    """95% intervals over seeds and examples, and ties; a score without predictions has neither. Seeds take the
    place of an interval that would not hold.

    Noise over seeds is moderated across the groups of a metric; ties are corrected over the whole table, which may
    hold several families of comparisons, on test sets of their own."""
    source = Source(predictions)
    found = resample_all(groups, metrics, source, test)
    bars = _bars(found, groups, test)
    pairs = with_best(found)
    verdicts = compare_pairs(found, pairs, exact_tests(found, groups, source, test), families)
    tied = frozenset(Shown(item.second, item.metric, test) for item in verdicts if not item.behind)
    where = "" if test == "test" else f" → {test}"
    clusters = {f"{key.task}{where}": scores.clusters for (key, _), scores in found.items()}
    alone = alone_in(found, groups, source, test)
    means = shown_means({key: g for key, g in groups.items() if key.task not in alone}, metrics, test)
    more = [*unequal.notes(found, pairs, verdicts, means, where), *unequal.on_one_document(alone, where)]
    part = Part(tuple(bars.values()), verdicts, clusters, more)
    return Uncertainty(
        {shown: bar.spread for shown, bar in bars.items() if bar.spread is not None},
        tied,
        tuple(notes_on({"": part}, groups)),
        {shown: bar.bounds for shown, bar in bars.items() if bar.bounds is not None},
        {shown: bar.points for shown, bar in bars.items() if bar.points},
        tuple(verdicts),
        found,
        part,
    )


def alone_in(
    found: Iterable[Scored], groups: Mapping[Key, Group], source: Source, test: str = "test"
) -> list[str]:
    """The tasks that could not be resampled because all of their test examples are of one document."""
    known = {key for key, _ in found}
    return unequal.one_document((group for key, group in groups.items() if key not in known), source, test)


def shown_means(
    groups: Mapping[Key, Group], metrics: Mapping[Key, Iterable[str]], test: str = "test"
) -> dict[Scored, float]:
    """The means that the table shows, also of groups without predictions; the higher the better."""
    return {
        (key, metric): scale([group], metric).better * float(np.mean(values))
        for key, group in groups.items()
        for metric in metrics[key]
        if (values := group.scores(metric, test))
    }


def _bars(found: Mapping[Scored, Resampled], groups: Mapping[Key, Group], test: str) -> dict[Shown, ErrorBar]:
    """What is shown around every score, metric by metric."""
    bars = {}
    for metric in {metric: None for _, metric in found}:
        parts = {key: scores.components() for (key, name), scores in found.items() if name == metric}
        for key, item in intervals(parts).items():
            points = seeds_apart(groups[key], metric, test)
            bars[Shown(key, metric, test)] = error_bar(item, scale([groups[key]], metric), points)
    return bars
