"""How sure the scores of a table are: their spreads, and which are tied with the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.analysis.groups import Group, Key, collapsed, kind_of, scale
from bench.analysis.loading import Predictions
from bench.analysis.statistics.intervals import EXACT, MEANING, ONE_SEED, POINTS, WIDE, Interval, intervals
from bench.analysis.statistics.paired import SURE, Comparison, Scored, compare_pairs, exact_tests, with_best
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.statistics.resampling_all import resample_all
from bench.analysis.statistics.scales import ERROR

STANDARD_DEVIATION = (
    "± is the standard deviation over seeds, not an interval: "
    "predictions were not read (table --intervals reads them)."
)
FIXED_ROWS = "Intervals are given these training rows, which all seeds share."
DRAWN_ROWS = (
    "Each seed draws its training rows anew, so intervals speak of the task, not of one training set."
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
    the intervals that are not symmetric. points: the scores of single seeds where no interval would hold.
    comparisons: the tests behind the ties. resampled: the scores that all of this rests on."""

    spread: Mapping[Shown, float]
    tied: frozenset[Shown] = frozenset()
    notes: tuple[str, ...] = ()
    bounds: Mapping[Shown, tuple[float, float]] = field(default_factory=dict)
    points: Mapping[Shown, tuple[float, ...]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    resampled: Mapping[Scored, Resampled] = field(default_factory=dict, repr=False)


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
    shown = _Intervals()
    for metric in {metric: None for _, metric in found}:
        parts = {key: scores.components() for (key, name), scores in found.items() if name == metric}
        for key, item in intervals(parts).items():
            shown.add(Shown(key, metric, test), item, groups[key])
    exact = exact_tests(found, groups, source) if test == "test" else {}
    verdicts = compare_pairs(found, with_best(found), exact, families)
    compared = [item for item in verdicts if item.tied]
    tied = frozenset(Shown(item.second, item.metric, test) for item in compared)
    notes = [*shown.notes(groups), TIED.format(missed=_missed(compared), odds=100 - SURE)]
    if clustered := {key.task: scores.clusters for (key, _), scores in found.items() if scores.clusters}:
        counts = ", ".join(f"{task} ({count:,})" for task, count in clustered.items())
        notes.append(f"Test examples are resampled by the document that they come from: {counts} documents.")
    return Uncertainty(shown.spread, tied, tuple(notes), shown.bounds, shown.points, tuple(verdicts), found)


def training_rows(groups: Mapping[Key, Group]) -> list[str]:
    """What intervals say of training rows: those that all seeds have, or any that the task could have had."""
    tasks: dict[bool, dict[str, None]] = {}
    for group in groups.values():
        for record in group.done:
            tasks.setdefault(record.cell.draw is not None, {})[record.cell.task] = None
    texts = {False: FIXED_ROWS, True: DRAWN_ROWS}
    return [
        f"{texts[drawn][:-1]} ({', '.join(names)})." if len(tasks) > 1 else texts[drawn]
        for drawn, names in tasks.items()
    ]


@dataclass
class _Intervals:
    """What a table shows of its intervals. alone: half the intervals over examples of single seeds. exact, wide:
    whether there are exact ones, and ones that are cut to what a score can be."""

    spread: dict[Shown, float] = field(default_factory=dict)
    bounds: dict[Shown, tuple[float, float]] = field(default_factory=dict)
    points: dict[Shown, tuple[float, ...]] = field(default_factory=dict)
    alone: list[float] = field(default_factory=list)
    exact: bool = False
    wide: bool = False

    def add(self, shown: Shown, item: Interval, group: Group) -> None:
        """Note the interval, or the seeds where it would not hold: one seed, or seeds of which some collapsed."""
        if item.seeds == 1 and item.bounds is None:
            if kind_of(group.done[0], shown.metric) != "error":  # which is not in points
                self.alone.append(item.half)
        elif collapsed(group, shown.test):
            self.points[shown] = tuple(group.scores(shown.metric, shown.test))
        else:
            self.spread[shown] = item.half
            whole = scale([group], shown.metric)
            if item.bounds is not None:
                self.exact = True
                self.bounds[shown] = item.bounds
            elif 2 * item.half > whole.highest - whole.lowest:
                self.wide = True
                self.bounds[shown] = whole.within(item.low), whole.within(item.high)

    def notes(self, groups: Mapping[Key, Group]) -> list[str]:
        """What ± and brackets are, for those that the table has."""
        found = [MEANING, *training_rows(groups)] if self.spread else []
        if self.alone:
            found.append(ONE_SEED.format(halves=_range(self.alone)))
        if self.exact:
            found.append(EXACT)
        if self.wide:
            found.append(WIDE)
        if self.points:
            found.append(POINTS)
        return found


def _missed(tied: Sequence[Comparison]) -> str:
    """The differences that these ties may hide: in points, and those of an error in units of its own."""
    points = [item.detectable for item in tied if item.scale != ERROR]
    found = [f"{_range(points)} points"] if points else []
    for task, metric in dict.fromkeys((item.first.task, item.metric) for item in tied if item.scale == ERROR):
        own = [item.detectable for item in tied if (item.first.task, item.metric) == (task, metric)]
        least, most = (f"{limit(own):.2g}" for limit in (min, max))
        found.append(f"{least if least == most else f'{least} to {most}'} of {metric} on {task}")
    return f"differences below {', '.join(found) or 'a detectable one'}"


def _range(values: Sequence[float]) -> str:
    """Smallest to largest, in points."""
    least, most = (f"{100 * limit(values):.1f}" for limit in (min, max))
    return most if least == most else f"{least} to {most}"
