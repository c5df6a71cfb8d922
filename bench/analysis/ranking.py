"""Strategies over tasks: mean ranks, what can be told apart, and what a whole run says in one number.

Tasks, seeds and test examples are all samples. Every draw of the bootstrap takes tasks with replacement and, on
each task, the scores as other test examples and seeds would give them; strategies share the tasks and the examples
of a draw. Few tasks make the bootstrap too narrow, so its intervals are expanded as Student's t is (Hesterberg
2015, The American Statistician 69, section 3.3).

Two mean ranks are told apart where they differ by Nemenyi's critical difference (Demšar 2006, JMLR 7). Where
nothing differs, it finds a difference in 1 to 6% of runs with 3 to 12 tasks and 3 to 9 strategies. The bootstrap
over tasks would find one in up to 20%, with three tasks, so it does not decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from bench.analysis.groups import Key, check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.sizes import largest, task_name
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.over_tasks import expected_best, interquartile_mean, nemenyi, student
from bench.analysis.statistics.paired import Scored
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.scales import ERROR
from bench.analysis.statistics.ties import levels
from bench.contracts import BenchError
from bench.runs.record import Record

TASKS, STRATEGIES, SEEDS = 3, 2, 3
"""The least tasks and strategies of a ranking, and the least seeds of an interquartile mean."""
REFERENCE = "full"
Row = tuple[str, str]
"""A strategy and a backbone."""


@dataclass(frozen=True)
class Estimated:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranked:
    """A strategy over all tasks. rank: 1 is best. score: the interquartile mean over tasks and seeds; None with few
    seeds. beats: the probability that it does better than the reference on a task; None for the reference. first:
    the share of draws in which its mean rank is the best. best: the mean over tasks of the expected best of all
    seeds; None with one seed. Errors have the units of their tasks, so score and best are None."""

    row: Row
    rank: Estimated
    score: Estimated | None
    beats: Estimated | None
    first: float
    best: float | None


@dataclass(frozen=True)
class Ranking:
    """rows: from the best mean rank. critical: the difference of mean ranks from which two are told apart.
    friedman: the p value of no difference at all; None for two strategies. absent: rows without scores on some task
    that can be resampled. seeds: the least of any row. untested: tasks with scores of which none can be resampled.
    errors: whether the scores of a task are errors."""

    tasks: tuple[str, ...]
    rows: tuple[Ranked, ...]
    critical: float
    friedman: float | None
    seeds: int
    absent: tuple[Row, ...] = ()
    untested: tuple[str, ...] = ()
    errors: bool = False

    def groups(self) -> list[tuple[int, int]]:
        """The longest runs of rows (first, last) that cannot be told apart: the bars of Demšar's diagram."""
        ranks, found, reached = [item.rank.value for item in self.rows], [], -1
        for first, rank in enumerate(ranks):
            last = max(place for place, other in enumerate(ranks) if other - rank < self.critical)
            if last > max(first, reached):
                found.append((first, last))
                reached = last
        return found


def rank(
    records: Sequence[Record],
    predictions: Callable[[str], Predictions],
    metric: str = "",
    made: Mapping[Scored, Resampled] = MappingProxyType({}),
) -> Ranking:
    """The ranking of the strategies that every task of a run has, by each task's headline or by `metric`.
    made: scores that were resampled already.

    BenchError where too few tasks or strategies are left."""
    groups = largest(gather(records))
    check_metric(metric, groups.values())
    source = Source(predictions)
    found = {
        key: scores
        for key, group in groups.items()
        if (scores := made.get((key, name := metric or group.headline)) or resample(group, name, source))
    }
    found = {key: scores.oriented() for key, scores in found.items()}
    scored = [key.task for key, group in groups.items() if group.scores(metric or group.headline)]
    known = {key.task for key in found}
    untested = list(dict.fromkeys(task_name(task) for task in scored if task not in known))
    rows = list(dict.fromkeys((key.strategy, key.backbone) for key in groups))
    tasks, rows, absent = _complete(found, rows, untested)
    table = [[found[key] for key in line] for line in _keys(found, tasks, rows)]
    ranking = _ranking(table, tasks, rows, absent, _draws(found, table, _keys(found, tasks, rows)))
    return replace(ranking, untested=tuple(untested))


def _complete(
    found: Mapping[Key, Resampled], rows: Sequence[Row], untested: Sequence[str]
) -> tuple[list[str], list[Row], list[Row]]:
    """The tasks, those of the rows that have all of them, and the others."""
    tasks = list(dict.fromkeys(key.task for key in found))
    names = ", ".join(tasks)
    if len(tasks) < TASKS:
        without = f", and {', '.join(untested)} without scores that can be resampled" if untested else ""
        raise BenchError(
            f"ranks over tasks need at least {TASKS} tasks; this run has finished {len(tasks)}"
            f"{f' ({names})' if tasks else ''}{without}: run more tasks",
            code="too-few-tasks",
        )
    complete = [row for row in rows if all(Key(task, *row) in found for task in tasks)]
    if len(complete) < STRATEGIES:
        raise BenchError(
            f"ranks need at least {STRATEGIES} strategies that finished every task ({names}); "
            f"this run has {len(complete)}: run the missing cells",
            code="too-few-strategies",
        )
    return tasks, complete, [row for row in rows if row not in complete]


def _keys(found: Mapping[Key, Resampled], tasks: Sequence[str], rows: Sequence[Row]) -> list[list[Key]]:
    return [[Key(task, *row) for row in rows] for task in tasks]


def _draws(
    found: Mapping[Key, Resampled], table: Sequence[Sequence[Resampled]], keys: Sequence[Sequence[Key]]
) -> np.ndarray:
    """Mean scores as other examples and seeds would give them [draws, tasks, rows]."""
    noise = intervals({key: item.components() for key, item in found.items()})
    place = iter(range(len(found)))
    return np.stack(
        [
            np.stack(
                [
                    item.distribution(noise[key].noise, next(place))
                    for item, key in zip(line, own, strict=True)
                ],
                axis=1,
            )
            for line, own in zip(table, keys, strict=True)
        ],
        axis=1,
    )


def _ranking(
    table: Sequence[Sequence[Resampled]],
    tasks: list[str],
    rows: list[Row],
    absent: list[Row],
    draws: np.ndarray,
) -> Ranking:
    means = np.array([[item.scores.mean() for item in line] for line in table])  # [tasks, rows]
    picks = np.random.default_rng(0).integers(len(tasks), size=(len(draws), len(tasks)))
    over = _Over(picks)
    observed, drawn = _ranks(means).mean(0), over.mean(_ranks(draws))
    firsts = (drawn == drawn.min(1, keepdims=True)) / (drawn == drawn.min(1, keepdims=True)).sum(
        1, keepdims=True
    )
    counts = {len(item.seeds) for line in table for item in line}
    seeds, runs = min(counts), math.lcm(*counts)
    errors = any(item.scale == ERROR for line in table for item in line)
    ranked = []
    for place, row in enumerate(rows):
        column = [line[place] for line in table]
        beats = _beats(draws, rows, place)
        ranked.append(
            Ranked(
                row,
                over.expanded(float(observed[place]), drawn[:, place], 1.0, float(len(rows))),
                _aggregate(column, runs) if seeds >= SEEDS and not errors else None,
                None
                if beats is None
                else over.expanded(float(beats.mean()), over.mean(np.tile(beats, (len(draws), 1)))),
                float(firsts[:, place].mean()),
                float(np.mean([expected_best(item.scores, seeds) for item in column]))
                if seeds > 1 and not errors
                else None,
            )
        )
    ranked.sort(key=lambda item: item.rank.value)
    return Ranking(
        tuple(map(task_name, tasks)),
        tuple(ranked),
        nemenyi(len(rows), len(tasks)),
        _friedman(means),
        seeds,
        tuple(absent),
        errors=errors,
    )


@dataclass(frozen=True)
class _Over:
    """The tasks of each draw [draws, tasks]."""

    picks: np.ndarray

    @property
    def factor(self) -> float:
        """By how much the bootstrap over these tasks is too narrow."""
        tasks = self.picks.shape[1]
        return math.sqrt(tasks / (tasks - 1)) * student(tasks - 1) / 1.96

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean over the tasks of each draw, from values by draw and task [draws, tasks, ...]."""
        return values[np.arange(len(self.picks))[:, None], self.picks].mean(1)

    def expanded(self, value: float, draws: np.ndarray, least: float = 0.0, most: float = 1.0) -> Estimated:
        """The value with its expanded interval, within what it can be."""
        low, high = np.quantile(draws - draws.mean(), [0.025, 0.975]) * self.factor
        low, high = min(0.0, float(low)), max(0.0, float(high))  # a rank that no draw changes has no width
        return Estimated(value, max(least, value + low), min(most, value + high))


def _ranks(scores: np.ndarray) -> np.ndarray:
    """The rank of each row, the last axis: 1 is the highest score; ties share the mean of their ranks."""
    from scipy.stats import rankdata

    return rankdata(-levels(scores), axis=-1)


def _friedman(means: np.ndarray) -> float | None:
    """Friedman's test over the rows [tasks, rows]; scipy's needs three."""
    from scipy.stats import friedmanchisquare

    places = levels(means)  # the test reads their order alone
    if means.shape[1] < 3 or not places.any():
        return None
    return float(friedmanchisquare(*places.T).pvalue)


def _beats(draws: np.ndarray, rows: Sequence[Row], place: int) -> np.ndarray | None:
    """By task, the probability that a row scores above the reference with its backbone; a tie counts half."""
    strategy, backbone = rows[place]
    if strategy == REFERENCE or (REFERENCE, backbone) not in rows:
        return None
    both = levels(draws[:, :, [rows.index((REFERENCE, backbone)), place]])
    return ((1 + both[..., 1] - both[..., 0]) / 2).mean(0)


def _aggregate(column: Sequence[Resampled], runs: int) -> Estimated:
    """The interquartile mean over tasks and seeds. As in rliable, all tasks have the same weight, every draw has
    the same tasks, and seeds are drawn within tasks; the bootstrap of few seeds is too narrow by (n - 1) / n. runs:
    the number of scores for which every task counts, a multiple of its seeds."""
    rng = np.random.default_rng(1)
    drawn = []
    for item in column:
        count = len(item.seeds)
        picked = rng.integers(count, size=item.draws.shape)
        scores = np.take_along_axis(item.draws, picked, axis=1)
        drawn.append(scores.mean() + (scores - scores.mean()) * math.sqrt(count / (count - 1)))
    counts = np.concatenate([np.full(len(item.seeds), runs // len(item.seeds)) for item in column])
    value = float(interquartile_mean(np.concatenate([item.scores for item in column]), counts))
    draws = interquartile_mean(np.concatenate(drawn, axis=1), counts)
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    lowest = min(item.scale.lowest for item in column)
    return Estimated(value, max(lowest, value + float(low)), min(1.0, value + float(high)))
