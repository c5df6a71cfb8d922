"""Learning curves over data size: scores against the number of training examples, and where strategies cross.

Each training set is a subset of the next larger one. The crossing of two curves is interpolated linearly in the
logarithm of the size, between the last size at which the first is ahead and the next size. Its interval comes from
the scores: the same test examples are resampled at every size, and noise over seeds is added, moderated as in
`intervals`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Group, Key, check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.uncertainty import from_predictions, from_seeds
from bench.analysis.tables.columns import Context, score, score_unit
from bench.analysis.tables.footnotes import provenance, warnings
from bench.analysis.tables.layouts import marked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.record import Record

Line = tuple[str, str]
"""A strategy and a backbone: a line of the plot."""


def sized(records: Sequence[Record]) -> dict[str, dict[Line, dict[int, Group]]]:
    """The finished groups of tasks that ran at several sizes, by task, line, and number of training examples in
    ascending order."""
    found: dict[str, dict[Line, dict[int, Group]]] = {}
    for key, group in gather(records).items():
        task, at, _ = key.task.partition("@")
        data = group.done[0].data if group.done else None
        if at and data:
            line = found.setdefault(task, {}).setdefault((key.strategy, key.backbone), {})
            line[data.sizes["train"]] = group
    return {
        task: {line: dict(sorted(points.items())) for line, points in lines.items()}
        for task, lines in found.items()
    }


@dataclass(frozen=True)
class Crossover:
    """`first` leads `second` below `size` training examples and trails above. sizes: those at which both ran.
    low and high bound a 95% interval of `size`; 0 means below the smallest size, infinity above the largest."""

    first: Line
    second: Line
    sizes: tuple[int, ...]
    size: float
    low: float
    high: float


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


def crossovers(lines: Mapping[Line, Mapping[int, Group]], metric: str, source: Source) -> list[Crossover]:
    """The crossover of every pair of lines of a task at their common sizes. The line that trains fewer parameters
    comes first, unless it is ahead at the largest size, beyond noise: a line that pays for few examples alone comes
    first whatever it trains."""
    scores = {
        line: {
            size: found.oriented()
            for size, group in points.items()
            if (found := resample(group, metric, source))
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
        turned = found[(first, second), max(points)].high < 0
        one, other = (second, first) if turned else (first, second)
        values = _differences(scores[one], scores[other]).values()
        crossed.append(Crossover(one, other, tuple(points), *crossover(list(points), list(values), noises)))
    return crossed


def _differences(first: Mapping[int, Resampled], second: Mapping[int, Resampled]) -> dict[int, Resampled]:
    """The second line minus the first, at their common sizes."""
    return {size: found for size in first if size in second and (found := second[size].minus(first[size]))}


def _trainable(points: Mapping[int, Group]) -> float:
    return next((share for group in points.values() if (share := group.trainable()) is not None), math.inf)


def build(
    records: Sequence[Record], predictions: Callable[[str], Predictions] | None = None, metric: str = ""
) -> Table:
    """One block per task, one column per size; the notes say where strategies cross. BenchError where no task ran
    at two sizes."""
    tasks = {task: lines for task, lines in sized(records).items() if any(len(p) > 1 for p in lines.values())}
    if not tasks:
        raise BenchError(
            "no task of this run has several sizes: run the suite curve, or -t TASK@100 -t TASK@200",
            code="no-sizes",
        )
    groups = {
        group.key: group for lines in tasks.values() for points in lines.values() for group in points.values()
    }
    check_metric(metric, groups.values())
    metrics = {key: (metric or group.headline,) for key, group in groups.items()}
    spread = from_predictions(groups, metrics, predictions) if predictions else from_seeds(groups, metrics)
    context = Context({}, spread, "")
    sizes = sorted({size for lines in tasks.values() for points in lines.values() for size in points})
    unit = score_unit(groups.values(), metric)
    columns = tuple(Column(str(size), f"{size:,}", unit, "training examples") for size in sizes)
    blocks, crossings = [], []
    for task, lines in tasks.items():
        rows = [
            Row(line, tuple(_entry(points, size, metric, context) for size in sizes))
            for line, points in lines.items()
        ]
        blocks.append(marked(Block(task, tuple(rows)), columns))
        if predictions:
            headline = metric or next(iter(next(iter(lines.values())).values())).headline
            crossings += sentences(task, crossovers(lines, headline, Source(predictions)))
    notes = (*spread.notes, *crossings, *warnings(groups))
    return Table(
        "Scores against the number of training examples",
        ("strategy", "backbone"),
        columns,
        tuple(blocks),
        notes,
        "task",
        tuple(_without_sizes(groups)),
    )


def _entry(points: Mapping[int, Group], size: int, metric: str, context: Context) -> Entry:
    group = points.get(size)
    return score(group, metric or group.headline, context) if group else Entry()


def _without_sizes(groups: Mapping[Key, Group]) -> list[str]:
    """The provenance of one group per task and line: the others differ only in their training sizes."""
    first: dict[tuple[str, str, str], Key] = {}
    for key in groups:
        first.setdefault((key.task.partition("@")[0], key.strategy, key.backbone), key)
    notes = provenance({key: groups[key] for key in first.values()})
    return [note for note in notes if not note.startswith("Examples:")]


def sentences(task: str, found: Sequence[Crossover]) -> list[str]:
    """The crossovers of a task in words: a note for each pair that crosses, one for pairs that do not, and one for
    undecided pairs."""
    notes, without, unknown = [], [], []
    for item in found:
        first, second = " ".join(item.first), " ".join(item.second)
        largest = f"{item.sizes[-1]:,}"
        if item.low == 0 and item.high == math.inf:
            unknown.append(f"{first} and {second}")
        elif 0 < item.size < math.inf:
            low = f"below {item.sizes[0]:,}" if item.low == 0 else f"{item.low:,.0f}"
            high = f"above {largest}" if item.high == math.inf else f"{item.high:,.0f}"
            notes.append(
                f"{task}: below about {_rounded(item.size):,} training examples {first} is ahead of {second} "
                f"(95% interval of the crossover: {low} to {high})."
            )
        else:
            ahead, behind, where = (
                (second, first, "every size") if item.size == 0 else (first, second, largest)
            )
            sure = "" if item.low == item.high else ", within noise"
            without.append(f"{ahead} is ahead of {behind} at {where}{sure}")
    if without:
        notes.append(f"{task}, without a crossover: {'; '.join(without)}.")
    if unknown:
        notes.append(f"{task}, not told apart at the largest size, crossover unknown: {'; '.join(unknown)}.")
    return notes


def _rounded(size: float) -> int:
    """Two significant digits: more would be noise."""
    digits = max(len(str(int(size))) - 2, 0)
    return round(size / 10**digits) * 10**digits
