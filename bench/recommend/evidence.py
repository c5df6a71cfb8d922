"""What the rounds of a contest say: who is ahead, how surely, at what cost, and what more rows would bring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Group, Key, gather, is_degenerate
from bench.analysis.loading import Run
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.intervals import Interval, intervals
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.paired import Comparison, compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.contracts import BenchError
from bench.runs.record import Record

ENOUGH = 3  # sizes that a curve needs before it is continued
LEAST = 1e-3  # error of which a logarithm is taken


@dataclass(frozen=True)
class Standing:
    """One round: scores and seconds by strategy, and each against the best. metric: the task's headline."""

    metric: str
    best: str
    means: Mapping[str, float]
    intervals: Mapping[str, Interval]
    seconds: Mapping[str, float]
    against_best: Mapping[str, Comparison]
    degenerate: bool
    records: Sequence[Record]

    @property
    def tied(self) -> list[str]:
        """The best, and all that cannot be told from it: none can where it was compared on one seed, as how much
        seeds vary is not known then."""
        against = self.against_best.items()
        return [self.best, *(name for name, found in against if found.tied or found.difference.seeds < 2)]

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

    def choice(self, goal: str) -> str:
        """The best for goal `accuracy`; for `cost` the cheapest of those tied with it."""
        return self.best if goal == "accuracy" else min(self.tied, key=lambda name: self.seconds[name])


def standing(run: Run, task: str, strategies: Collection[str] = ()) -> Standing:
    """The standing of a round, of all strategies or of some. BenchError where none has finished."""
    records = [
        record
        for record in run.records
        if record.cell.task == task and (not strategies or record.cell.strategy in strategies)
    ]
    groups = gather(records)
    source = Source(run.predictions)
    found = {}
    for key, group in groups.items():
        scores = resample(group, group.headline, source) if group.done else None
        if scores is not None:
            found[key, group.headline] = scores
    if not found:
        raise BenchError(f"no strategy finished on {task}: see the logs in its run folder")
    metric = next(iter(found))[1]
    spread = intervals({key.strategy: scores.components() for (key, _), scores in found.items()})
    against = {item.second.strategy: item for item in compare_pairs(found, with_best(found))}
    means = {name: item.mean for name, item in spread.items()}
    best = max(means, key=means.__getitem__)
    seconds = {key.strategy: group.seconds() or 0.0 for key, group in groups.items()}
    winner = next(group for key, group in groups.items() if key.strategy == best)
    return Standing(metric, best, means, spread, seconds, against, _all_degenerate(winner), tuple(records))


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
