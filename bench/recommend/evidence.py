"""What the rounds of a contest say: who is ahead, how surely, at what cost, and what more rows would bring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.dispersion import moderated
from bench.analysis.groups import Group, Key, gather, is_degenerate
from bench.analysis.intervals import Interval, intervals
from bench.analysis.noise import Noise
from bench.analysis.paired import Comparison, compare_pairs, with_best
from bench.analysis.resampling import Source, resample
from bench.analysis.variance import Components
from bench.contracts import BenchError
from bench.record import Record
from bench.store import Store

ENOUGH = 3  # sizes that a curve needs before it is continued


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
        """The best, and all that cannot be told from it."""
        return [self.best, *(name for name, found in self.against_best.items() if found.tied)]

    def choice(self, goal: str) -> str:
        """The best for goal `accuracy`; for `cost` the cheapest of those tied with it."""
        return self.best if goal == "accuracy" else min(self.tied, key=lambda name: self.seconds[name])


def standing(store: Store, task: str, strategies: Collection[str] = ()) -> Standing:
    """The standing of a round from its run folder, of all strategies or of some. BenchError where none has
    finished."""
    records = [
        record
        for record in store.records()
        if record.cell.task == task and (not strategies or record.cell.strategy in strategies)
    ]
    groups = gather(records)
    source = Source(store.predictions)
    found = {}
    for key, group in groups.items():
        scores = resample(group, group.headline, source) if group.done else None
        if scores is not None:
            found[key, group.headline] = scores
    if not found:
        raise BenchError(f"no strategy finished on {task}: see {store.path}/logs")
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


def growth(store: Store, view: str, sizes: Sequence[int], strategy: str, backbone: str) -> Growth:
    """From a power law of the error over sizes (Hestness et al. 2017, arXiv 1712.00409), fitted to every
    resample of the test examples with the noise over seeds. Two doublings or fewer, or an interval on both
    sides of zero, tell nothing."""
    source = Source(store.predictions)
    found = {}
    for size in sizes:
        records = [record for record in store.records() if record.cell.task == f"{view}@{size}"]
        group = gather(records).get(Key(f"{view}@{size}", strategy, backbone))
        scores = resample(group, group.headline, source) if group and group.done else None
        if scores is not None:
            found[size] = scores
    points, parts = list(found), [scores.components() for scores in found.values()]
    draws = [
        _with_seeds(scores.draws.mean(1), part, noise, number)
        for number, (scores, part, noise) in enumerate(
            zip(found.values(), parts, moderated(parts) if parts else [], strict=True)
        )
    ]
    if len(points) < ENOUGH:
        return Growth(
            None, why_not=f"{strategy} was measured at {len(points)} sizes, and a curve needs {ENOUGH}"
        )
    errors = np.clip(1 - np.stack(draws), 1e-3, 1.0)
    logs = np.log(np.array(points, float))
    slope, level = np.polyfit(logs, np.log(errors), 1)
    ends = [np.exp(level + slope * x) for x in (logs[-1], logs[-1] + np.log(2))]
    gains = ends[0] - ends[1]
    low, high = np.quantile(gains, [0.025, 0.975])
    if low <= 0 <= high:
        return Growth(None, float(low), float(high), "its curve could as well be flat")
    return Growth(float(np.median(gains)), float(low), float(high))


def _with_seeds(over_examples: np.ndarray, parts: Components, seed: Noise, number: int) -> np.ndarray:
    """Resampled means [resamples] with the rest of the noise over seeds, whose variance is drawn too."""
    rng = np.random.default_rng(number)
    over_seeds = rng.choice(seed.variances, len(over_examples), p=seed.weights) / parts.seeds
    rest = np.clip(parts.example + over_seeds - over_examples.var(), 0.0, None)
    return over_examples + rng.normal(0, np.sqrt(rest))
