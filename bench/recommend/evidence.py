"""What the rounds say: which strategy is ahead, how surely, at what cost, and what more rows would bring."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.analysis.groups import Group, Key, gather, is_degenerate
from bench.analysis.loading import Run
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.familywise import holm
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.mcnemar import judge_pairs
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.paired import POWER, Comparison, Scored, seed_noise, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.unequal import one_document
from bench.contracts import BenchError
from bench.recommend.more_rows import Error
from bench.runs.record import Record

ENOUGH = 3  # sizes that a curve needs before it is continued
LEAST = 1e-3  # error of which a logarithm is taken
MISTAKEN = 0.05  # how often a strategy that is worse by the margin may be called as good
STEP, MOST = (
    1.1,
    1e4,
)  # between the numbers of rows that are tried, and the largest, in times of those at hand


@dataclass(frozen=True)
class Standing:
    """One round: scores and seconds by strategy, and each against the best. metric: the task's headline. rows: how
    many were compared on; groups of rows where `grouped`. errors: by strategy, that of its difference from the
    best. constant: those not known to have learnt more than the majority answer, where the best did. by_mean: the
    one with the highest mean against each of the others, which a table marks; it is the best unless another is told
    apart as better on the seeds that both have.

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
    rows: int = 0
    grouped: bool = False
    errors: Mapping[str, Error] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    by_mean: Sequence[Comparison] = ()

    @property
    def behind(self) -> list[str]:
        """Those told apart from the best: the verdicts of `table --kind pairs`."""
        return [name for name, found in self.against_best.items() if not found.tied]

    @property
    def undecided(self) -> list[str]:
        """Those not told apart from the best, which does not mean that they are as good."""
        return [name for name in self.means if name not in (self.best, *self.behind)]

    @property
    def cheaper(self) -> list[str]:
        """Strategies that train faster than the best and are known to have learnt something, the cheapest first."""
        learnt = [name for name in self.means if name not in self.constant]
        names = [name for name in learnt if self.seconds[name] < self.seconds[self.best]]
        return sorted(names, key=lambda name: self.seconds[name])

    def as_good(self, margin: float) -> list[str]:
        """Cheaper strategies known to score less than `margin` below the best, in units of the score: non-inferior,
        one-sided at 5% over all that are cheaper (Holm 1979). On one seed nothing is known: how much seeds vary is
        not."""
        tested = [name for name in self.cheaper if name in self.against_best]
        chances = [self._worse_by(name, margin) for name in tested]
        return [name for name, p in zip(tested, holm(chances), strict=True) if p < MISTAKEN]

    def _worse_by(self, name: str, margin: float) -> float:
        """The p value of a strategy that scores `margin` below the best."""
        difference = self.against_best[name].difference
        return self._error(name).tail(margin - difference.mean) if difference.seeds > 1 else 1.0

    def rows_needed(self, name: str, margin: float) -> int | None:
        """Rows to compare on, with as many seeds, that would show a cheaper strategy to be as good with POWER, were
        it exactly as good as the best; None where no number would, or one seed tells nothing of the others."""
        if self.against_best[name].difference.seeds < 2:
            return None

        def shown(factor: float) -> bool:
            error = self._error(name, factor)
            return error.quantile(1 - MISTAKEN / len(self.cheaper)) + error.quantile(POWER) < margin

        factor = 1.0
        while not shown(factor):
            factor *= STEP
            if factor > MOST:
                return None
        return math.ceil(factor * self.rows)

    def _error(self, name: str, factor: float = 1.0) -> Noise:
        """The error of a difference on `factor` times the rows. It is never that of no difference at all: of two
        strategies that agree on all n rows, Tango's interval (1998, Statistics in Medicine 17) still reaches
        z^2 / (n + z^2)."""
        error = self.errors.get(name) or Error(self.against_best[name].difference.noise)
        z = Noise.known(1.0).quantile(1 - MISTAKEN)
        unseen = z / (self.rows * factor + z**2) if self.rows else 0.0
        return total([error.on(factor), Noise.known(unseen**2)])

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
        if one_document((group for key, group in groups.items() if key.task == task), source):
            raise BenchError(
                f"all rows on which strategies are compared on {task} are of one group: nothing tells how they "
                "score on other groups; give rows of more groups, or name no column of groups",
                "one-group",
            )
        raise BenchError(
            f"no strategy finished on {task}: see the logs in its run folder", "nothing-finished"
        )
    metric = groups[next(iter(here))].headline
    spread = intervals({key.strategy: scores.components() for key, scores in here.items()})
    means = {name: item.mean for name, item in spread.items()}
    best = max(here, key=lambda key: means[key.strategy])

    def against(key: Key) -> dict[Key, Comparison]:
        pairs = dict.fromkeys((*with_best(found), *((key, other, metric) for other in here if other != key)))
        return _against(key, here, judge_pairs(found, list(pairs), groups, source))

    compared = by_mean = against(best)
    better = [key for key, item in compared.items() if not item.tied and item.difference.mean < 0]
    if better:  # on the seeds that both have, another is told apart as better
        best = min(better, key=lambda key: compared[key].difference.mean)
        compared = against(best)
    degenerate = _all_degenerate(groups[best])
    constant = [] if degenerate else [key.strategy for key in here if _all_degenerate(groups[key])]
    return Standing(
        metric,
        best.strategy,
        means,
        spread,
        {key.strategy: groups[key].seconds() or 0.0 for key in here},
        {key.strategy: item for key, item in compared.items()},
        degenerate,
        tuple(record for key in here for record in groups[key].records),
        here[best].clusters or len(here[best].ids),
        bool(here[best].clusters),
        _errors(compared, found),
        frozenset(constant),
        tuple(by_mean.values()),
    )


def _errors(compared: Mapping[Key, Comparison], found: Mapping[Scored, Resampled]) -> dict[str, Error]:
    """The error of each difference, by strategy. found: all scores of the run, whose seeds are moderated
    together."""
    noise, errors = seed_noise(found), {}
    for key, item in compared.items():
        sides = (item.first, item.metric), (key, item.metric)
        minus = found[sides[0]].minus(found[sides[1]])
        if minus is not None:
            seeds = total([noise[side] for side in sides]).scaled(1 / len(minus.seeds))
            errors[key.strategy] = Error.of(minus, item.difference.noise, seeds)
    return errors


def _against(best: Key, here: Collection[Key], compared: Sequence[Comparison]) -> dict[Key, Comparison]:
    """The comparisons of the best with each of the others."""
    return {item.second: item for item in compared if item.first == best and item.second in here}


def _all_degenerate(group: Group) -> bool:
    return all(is_degenerate(record) for record in group.done)


@dataclass(frozen=True)
class Growth:
    """What twice as many as `rows`, the most that were measured, would add to the score, with a 95% interval; None
    where that cannot be told, and why."""

    gain: float | None
    low: float = 0.0
    high: float = 0.0
    why_not: str = ""
    rows: int = 0


def growth(run: Run, view: str, sizes: Sequence[int], strategy: str, backbone: str) -> Growth:
    """From a power law of the error over sizes (Hestness et al. 2017, arXiv 1712.00409), fitted to every
    resample of the test examples, which all sizes share, with the noise over seeds. Two sizes or fewer, one seed at
    every size, or an interval on both sides of zero, tell nothing."""
    found = _by_size(run, view, sizes, Key(view, strategy, backbone))
    if len(found) < ENOUGH:
        return Growth(
            None,
            why_not=f"{strategy} was measured at {len(found)} size{'s' * (len(found) != 1)}, "
            f"and a curve needs {ENOUGH}",
        )
    if max(len(scores.seeds) for scores in found.values()) < 2:
        return Growth(
            None,
            why_not=f"{strategy} was measured with one seed at every size, and another may curve otherwise",
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
    return Growth(float(np.median(gains)), float(low), float(high), rows=max(found))


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
    noise = total([parts.over_examples(), seed.scaled(1 / parts.seeds)])
    return scores.distribution(noise, number)
