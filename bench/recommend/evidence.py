"""What the rounds say: which strategy is ahead, how surely, at what cost, and what more rows would bring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Group, Key, gather, is_degenerate
from bench.analysis.loading import Run
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.paired import Comparison, judge_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.contracts import BenchError
from bench.runs.record import Record

ENOUGH = 3  # sizes that a curve needs before it is continued
LEAST = 1e-3  # error of which a logarithm is taken
MISTAKEN = 0.05  # how often a strategy that is worse by the margin may be called as good


@dataclass(frozen=True)
class Standing:
    """One round: scores and seconds by strategy, and each against the best. metric: the task's headline.

    A strategy is `behind` where a test tells it apart from the best: on one seed McNemar's, else the paired
    bootstrap. It is `as_good` where its difference is known to be small. All else is `undecided`: not known."""

    metric: str
    best: str
    means: Mapping[str, float]
    intervals: Mapping[str, Interval]
    seconds: Mapping[str, float]
    against_best: Mapping[str, Comparison]
    degenerate: bool
    records: Sequence[Record]

    @property
    def behind(self) -> list[str]:
        """Those told apart from the best: the verdicts of `table --kind pairs`."""
        return [name for name, found in self.against_best.items() if not found.tied]

    @property
    def undecided(self) -> list[str]:
        """Those not told apart from the best, which does not mean that they are as good."""
        return [name for name in self.means if name not in (self.best, *self.behind)]

    def as_good(self, margin: float) -> list[str]:
        """Those known to score less than `margin` below the best, in units of the score: non-inferior, one-sided at
        5% over all of them (Bonferroni). On one seed nothing is known: how much seeds vary is not."""
        level = MISTAKEN / max(len(self.against_best), 1)
        return [
            name
            for name, found in self.against_best.items()
            if found.difference.seeds > 1
            and found.difference.mean + found.difference.noise.quantile(1 - level) < margin
        ]

    @property
    def seeds(self) -> int:
        """The fewest seeds of any strategy."""
        return min(item.seeds for item in self.intervals.values())

    def expected(self, name: str, growth: float) -> float:
        """Seconds of a cell of this strategy on `growth` times the rows: the steps alone grow with them."""
        steps = [
            record.seconds.train
            for record in self.records
            if record.cell.strategy == name and record.status == "done"
        ]
        return self.seconds[name] + (growth - 1) * (sum(steps) / len(steps) if steps else 0.0)

    def choice(self, goal: str, margin: float) -> str:
        """The best for goal `accuracy`; for `cost` the cheapest of it and those known to be as good."""
        if goal == "accuracy":
            return self.best
        return min([self.best, *self.as_good(margin)], key=lambda name: self.seconds[name])


def standing(run: Run, task: str, strategies: Collection[str] = ()) -> Standing:
    """The standing of a round, of all strategies or of some. Its tests are those of the whole run, as the table of
    pairs makes them. BenchError where no strategy has finished."""
    source, groups = Source(run.predictions), gather(run.records)
    found = {
        (key, group.headline): scores
        for key, group in groups.items()
        if group.done and (scores := resample(group, group.headline, source)) is not None
    }
    here = {
        key: scores
        for (key, _), scores in found.items()
        if key.task == task and (not strategies or key.strategy in strategies)
    }
    if not here:
        raise BenchError(
            f"no strategy finished on {task}: see the logs in its run folder", "nothing-finished"
        )
    metric = groups[next(iter(here))].headline
    spread = intervals({key.strategy: scores.components() for key, scores in here.items()})
    means = {name: item.mean for name, item in spread.items()}
    best = max(here, key=lambda key: means[key.strategy])
    pairs = dict.fromkeys((*with_best(found), *((best, key, metric) for key in here if key != best)))
    compared = judge_pairs(found, list(pairs), groups, source)
    against = {item.second.strategy: item for item in compared if item.first == best and item.second in here}
    return Standing(
        metric,
        best.strategy,
        means,
        spread,
        {key.strategy: groups[key].seconds() or 0.0 for key in here},
        against,
        _all_degenerate(groups[best]),
        tuple(record for key in here for record in groups[key].records),
    )


def _all_degenerate(group: Group) -> bool:
    return all(is_degenerate(record) for record in group.done)


@dataclass(frozen=True)
class Growth:
    """What twice the rows would add to the score, with a 95% interval; None where that cannot be told, and why."""

    gain: float | None
    low: float = 0.0
    high: float = 0.0
    why_not: str = ""


def growth(run: Run, view: str, sizes: Sequence[int], strategy: str, backbone: str) -> Growth:
    """From a power law of the error over sizes (Hestness et al. 2017, arXiv 1712.00409), fitted to every
    resample of the test examples, which all sizes share, with the noise over seeds. Two sizes or fewer, or an
    interval on both sides of zero, tell nothing."""
    found = _by_size(run, view, sizes, Key(view, strategy, backbone))
    if len(found) < ENOUGH:
        return Growth(
            None,
            why_not=f"{strategy} was measured at {len(found)} size{'s' * (len(found) != 1)}, "
            f"and a curve needs {ENOUGH}",
        )
    noises = moderated([scores.components() for scores in found.values()])
    pairs = zip(found.values(), noises, strict=True)
    errors = np.clip(1 - np.stack([_draws(*pair, number) for number, pair in enumerate(pairs)]), LEAST, 1.0)
    logs = np.log(np.array(list(found), float))
    slope, level = np.polyfit(logs, np.log(errors), 1)
    gains = np.exp(level + slope * logs[-1]) * (1 - 2**slope)
    low, high = np.quantile(gains, [0.025, 0.975])
    if low <= 0 <= high:
        return Growth(None, float(low), float(high), "its curve could as well be flat")
    return Growth(float(np.median(gains)), float(low), float(high))


def _by_size(run: Run, view: str, sizes: Sequence[int], line: Key) -> dict[int, Resampled]:
    found = {}
    for size in sizes:
        key = line._replace(task=f"{view}@{size}")
        group = gather([record for record in run.records if record.cell.task == key.task]).get(key)
        scores = resample(group, group.headline, Source(run.predictions)) if group and group.done else None
        if scores is not None:
            found[size] = scores
    return found


def _draws(scores: Resampled, seed: Noise, number: int) -> np.ndarray:
    """Draws of the mean over seeds [resamples], with the noise over examples and over seeds."""
    parts = scores.components()
    noise = total([Noise.known(parts.example), seed.scaled(1 / parts.seeds)])
    return scores.distribution(noise, number)
