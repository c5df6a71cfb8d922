"""Where the learning curves of two strategies cross.

The crossing is interpolated linearly in the logarithm of the number of training examples, between the last size at
which the first is ahead and the next size. Its interval comes from the scores: the same test examples are
resampled at every size, and noise over seeds is added, moderated as in `intervals`. It is that of a pair alone.
Which strategy is ahead at a size is decided by the tests of the whole table, as its ties are: tested one by one,
one of 20 pairs of equal strategies would be called ahead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Group, Key, collapsed
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.mcnemar import judge_pairs
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.paired import Comparison, Scored
from bench.analysis.statistics.resampling import Resampled, Source

Line = tuple[str, str]
"""A strategy and a backbone: a line of the plot."""
Lines = Mapping[Line, Mapping[int, Group]]
"""The lines of a task: a group at each number of training examples."""


@dataclass(frozen=True)
class Crossover:
    """`first` leads `second` below `size` training examples and trails above. sizes: those at which both ran.
    low and high bound a 95% interval of `size`, of this pair alone; 0 means below the smallest size, infinity above
    the largest. ahead, behind: the sizes at which the table tells apart that `second` is ahead, and that it is
    behind. holds: whether the interval covers seeds: every size has several, and none that learned nothing
    beside others that did."""

    first: Line
    second: Line
    sizes: tuple[int, ...]
    size: float
    low: float
    high: float
    ahead: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()
    holds: bool = True


@dataclass(frozen=True)
class Verdicts:
    """The scores of a table by group, and its verdicts on pairs of groups."""

    scores: Mapping[Key, Resampled]
    verdicts: Mapping[tuple[Key, Key], Comparison]

    def is_ahead(self, first: Group, second: Group) -> bool:
        """Whether the table tells the two apart, and `first` is the better one."""
        found = self.verdicts.get((first.key, second.key))
        if found is not None:
            return not found.tied and found.first_leads
        found = self.verdicts.get((second.key, first.key))
        return found is not None and not found.tied and not found.first_leads


def verdicts_on(tasks: Mapping[str, Lines], scores: Mapping[Scored, Resampled], source: Source) -> Verdicts:
    """The verdicts on every two lines of a task at every size that both have, corrected over all pairs of the
    table. scores: all that the table shows."""
    metrics = dict(scores.keys())
    groups = {
        group.key: group for lines in tasks.values() for line in lines.values() for group in line.values()
    }
    pairs = [
        (points[size].key, others[size].key, metrics[points[size].key])
        for lines in tasks.values()
        for points, others in itertools.combinations(lines.values(), 2)
        for size in points
        if size in others and points[size].key in metrics and others[size].key in metrics
    ]
    verdicts = judge_pairs(scores, pairs, groups, source)
    return Verdicts(
        {key: found for (key, _), found in scores.items()},
        {(item.first, item.second): item for item in verdicts},
    )


def crossover(
    sizes: Sequence[int], differences: Sequence[Resampled], noises: Sequence[Noise]
) -> tuple[float, float, float]:
    """(size, low, high) as in Crossover, from second minus first at each size."""
    means = np.array([found.scores.mean() for found in differences])
    pairs = zip(differences, noises, strict=True)
    draws = np.stack([found.distribution(noise, seed) for seed, (found, noise) in enumerate(pairs)], axis=1)
    points = np.array([crossing(sizes, row) for row in draws])
    low, high = np.quantile(points, [0.025, 0.975], method="closest_observation")
    return crossing(sizes, means), float(low), float(high)


def crossing(sizes: Sequence[int], differences: np.ndarray) -> float:
    """The size above which the differences [sizes] stay positive, interpolated in the logarithm of the size;
    0 where all are positive, infinity where the last is not."""
    behind = np.flatnonzero(differences <= 0)
    if not len(behind):
        return 0.0
    left = int(behind[-1])
    if left == len(sizes) - 1:
        return math.inf
    low, high = math.log(sizes[left]), math.log(sizes[left + 1])
    share = -differences[left] / (differences[left + 1] - differences[left])
    return math.exp(low + float(share) * (high - low))


def crossovers(lines: Lines, table: Verdicts) -> list[Crossover]:
    """The crossover of every pair of lines of a task at their common sizes. The line that trains fewer parameters
    comes first, unless the table tells apart that it is ahead at the largest size: a line that pays for few
    examples alone comes first whatever it trains."""
    scores = {
        line: {
            size: table.scores[group.key].oriented()
            for size, group in points.items()
            if group.key in table.scores
        }
        for line, points in lines.items()
    }
    pairs: dict[tuple[Line, Line], dict[int, Resampled]] = {}
    for first, second in itertools.combinations(sorted(lines, key=lambda line: _trainable(lines[line])), 2):
        differences = _differences(scores[first], scores[second])
        if len(differences) > 1:
            pairs[first, second] = differences
    parts = {
        (pair, size): found.components() for pair, points in pairs.items() for size, found in points.items()
    }
    found = intervals(parts)
    crossed = []
    for (first, second), points in pairs.items():
        noises = [found[(first, second), size].noise for size in points]
        largest = max(points)
        turned = table.is_ahead(lines[first][largest], lines[second][largest])
        one, other = (second, first) if turned else (first, second)
        values = list(_differences(scores[one], scores[other]).values())
        crossed.append(
            Crossover(
                one,
                other,
                tuple(points),
                *crossover(list(points), values, noises),
                tuple(size for size in points if table.is_ahead(lines[other][size], lines[one][size])),
                tuple(size for size in points if table.is_ahead(lines[one][size], lines[other][size])),
                all(len(item.seeds) > 1 for item in values)
                and not any(collapsed(lines[line][size]) for line in (one, other) for size in points),
            )
        )
    return crossed


def _differences(first: Mapping[int, Resampled], second: Mapping[int, Resampled]) -> dict[int, Resampled]:
    """The second line minus the first, at their common sizes."""
    return {size: found for size in first if size in second and (found := second[size].minus(first[size]))}


def _trainable(points: Mapping[int, Group]) -> float:
    return next((share for group in points.values() if (share := group.trainable()) is not None), math.inf)


def sentences(task: str, found: Sequence[Crossover]) -> list[str]:
    """The crossovers of a task in words: a note for each pair that crosses, one for pairs of which one is ahead
    without being shown to cross, and one for undecided pairs."""
    notes, without, unknown = [], [], []
    for item in found:
        first, second = " ".join(item.first), " ".join(item.second)
        if item.sizes[-1] not in item.ahead:
            unknown.append(f"{first} and {second}")
        elif item.behind:
            above = [size for size in item.ahead if size > item.size]
            notes.append(
                f"{task}: below about {_rounded(item.size):,} training examples {first} is ahead of {second}, "
                f"above it {second} of {first} (told apart at {_listed(item.behind)}, and at {_listed(above)}; "
                f"{_interval(item)})."
            )
        else:
            where = "every size" if item.ahead == item.sizes else _listed(item.ahead)
            without.append(f"{second} is ahead of {first} at {where}")
    if without:
        notes.append(f"{task}, no crossover shown: {'; '.join(without)}.")
    if unknown:
        notes.append(f"{task}, not told apart at the largest size, crossover unknown: {'; '.join(unknown)}.")
    return notes


def _interval(item: Crossover) -> str:
    """That of a crossover, where it holds."""
    if not item.holds:
        return "no interval of the crossover: one seed, or some that learned nothing"
    low = f"below {item.sizes[0]:,}" if item.low == 0 else f"{item.low:,.0f}"
    high = f"above {item.sizes[-1]:,}" if item.high == math.inf else f"{item.high:,.0f}"
    return f"95% interval of the crossover, for this pair alone: {low} to {high}"


def _listed(sizes: Sequence[int]) -> str:
    """`100, 200 and 400`."""
    texts = [f"{size:,}" for size in sizes]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _rounded(size: float) -> int:
    """Two significant digits: more would be noise."""
    digits = max(len(str(int(size))) - 2, 0)
    return round(size / 10**digits) * 10**digits
