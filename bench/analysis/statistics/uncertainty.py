"""How sure the scores of a table are: their spreads, and which are tied with the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.analysis.groups import Group, Key, kind_of
from bench.analysis.loading import Predictions
from bench.analysis.statistics.intervals import EXACT, MEANING, intervals
from bench.analysis.statistics.paired import SURE, Comparison, compare_pairs, judge_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample

STANDARD_DEVIATION = (
    "± is the standard deviation over seeds, not an interval: "
    "predictions were not read (table --intervals reads them)."
)
TIED = (
    "Bold: the best mean of its task. Underlined: not told apart from it (paired bootstrap on the same examples, "
    "log-odds, noise over seeds; 5% over all pairs of strategies, tasks and metrics of this table), which does not "
    "mean equal: {missed} would be missed more than {odds} times in 100."
)


class Shown(NamedTuple):
    """A score that a table shows."""

    key: Key
    metric: str
    test: str = "test"


@dataclass(frozen=True)
class Uncertainty:
    """spread: half of an interval, or a standard deviation, in units of the score; `notes` say which. bounds: of
    the intervals that are not symmetric. comparisons: the tests behind the ties."""

    spread: Mapping[Shown, float]
    tied: frozenset[Shown] = frozenset()
    notes: tuple[str, ...] = ()
    bounds: Mapping[Shown, tuple[float, float]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()


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

    Noise over seeds is moderated across the groups of a metric; ties are corrected over the whole table."""
    source = Source(predictions)
    found: dict[tuple[Key, str], Resampled] = {}
    for key, group in groups.items():
        for metric in metrics[key]:
            if (scores := resample(group, metric, source, test)) is not None:
                found[key, metric] = scores
    spread: dict[Shown, float] = {}
    bounds: dict[Shown, tuple[float, float]] = {}
    for metric in {metric: None for _, metric in found}:
        parts = {key: scores.components() for (key, name), scores in found.items() if name == metric}
        for key, item in intervals(parts).items():
            spread[Shown(key, metric, test)] = item.half
            if item.bounds is not None:
                bounds[Shown(key, metric, test)] = item.bounds
    ranked = {scored: scores for scored, scores in found.items() if not _is_error(groups, scored)}
    pairs = with_best(ranked)
    verdicts = judge_pairs(ranked, pairs, groups, source) if test == "test" else compare_pairs(ranked, pairs)
    compared = [item for item in verdicts if item.tied]
    tied = frozenset(Shown(item.second, item.metric, test) for item in compared)
    notes = [MEANING, TIED.format(missed=_missed(compared), odds=100 - SURE)]
    if any(len(scores.seeds) == 1 for scores in found.values()):
        notes.append(
            "With one seed the interval covers the test examples alone, and McNemar's exact test decides where it "
            "applies."
        )
    if bounds:
        notes.append(EXACT)
    if clustered := {key.task: scores.clusters for (key, _), scores in found.items() if scores.clusters}:
        counts = ", ".join(f"{task} ({count:,})" for task, count in clustered.items())
        notes.append(f"Test examples are resampled by the document that they come from: {counts} documents.")
    return Uncertainty(spread, tied, tuple(notes), bounds, tuple(verdicts))


def _is_error(groups: Mapping[Key, Group], scored: tuple[Key, str]) -> bool:
    """Whether a metric is an error in units of its own, which tests of scores do not compare."""
    key, metric = scored
    return kind_of(groups[key].done[0], metric) == "error"


def _missed(tied: Sequence[Comparison]) -> str:
    """The differences that these ties may hide, in points."""
    if not tied:
        return "differences below a detectable one"
    least, most = (100 * limit(item.detectable for item in tied) for limit in (min, max))
    where = f"{most:.1f}" if len(tied) == 1 else f"{least:.1f} to {most:.1f}"
    return f"differences below {where} points"
