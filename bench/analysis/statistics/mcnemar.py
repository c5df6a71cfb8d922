"""Two single runs on the same examples, decided by McNemar's exact test (1947; statsmodels).

It applies to one seed of each, independent examples, and a metric that averages right and wrong. What another seed
would change is not known. Other pairs are decided by the paired bootstrap (`paired`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.paired import (
    Comparison,
    Pairs,
    Scored,
    Trio,
    by_task_and_metric,
    compare_pairs,
)
from bench.analysis.statistics.resampling import Resampled, Source, definition, documents_of
from bench.runs.record import Record


def p_value(right: np.ndarray, other: np.ndarray) -> float:
    """The exact two-sided p of two sets of answers to the same questions: 1 where right, 0 where wrong."""
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[int(((right == a) & (other == b)).sum()) for b in (1, 0)] for a in (1, 0)]
    return float(mcnemar(table, exact=True).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def of_records(
    first: Record, second: Record, metric: str, source: Source, test: str = "test"
) -> float | None:
    """The exact p of two runs; None where the test does not apply: another kind of metric, a column that is not 0
    or 1, other examples, or examples in clusters."""
    how = definition(first, metric)
    rows, others = source.columns(first, test), source.columns(second, test)
    if how is None or how.kind != "mean" or rows is None or others is None:
        return None
    right, other = (np.asarray(side[how.columns[0]], dtype=float) for side in (rows, others))
    if not np.array_equal(rows["id"], others["id"]) or not np.isin([right, other], (0, 1)).all():
        return None
    return p_value(right, other) if documents_of(rows) is None else None


def judge_pairs(
    scores: Mapping[Scored, Resampled], pairs: Pairs, groups: Mapping[Key, Group], source: Source
) -> list[Comparison]:
    """The comparisons, decided by the test that applies: the paired bootstrap, or McNemar's on a single seed."""
    return compare_pairs(scores, pairs, exact_tests(scores, groups, source))


def exact_tests(
    scores: Mapping[Scored, Resampled], groups: Mapping[Key, Group], source: Source, test: str = "test"
) -> dict[Trio, float]:
    """The exact p of every pair of groups of a task that rests on a single seed, where the test applies."""
    runs = {key: {record.cell.seed: record for record in group.done} for key, group in groups.items()}
    found, known, own = {}, "", source
    for (task, _), members in by_task_and_metric(scores).items():
        if task != known:  # the predictions of one task at a time are held
            known, own = task, Source(cache(source.predictions))
        for (first, metric), (second, _) in itertools.combinations(members, 2):
            p = _of_one_seed(runs[first], runs[second], metric, own, test)
            if p is not None:
                found[first, second, metric] = p
    return found


def _of_one_seed(
    runs: Mapping[int, Record], others: Mapping[int, Record], metric: str, source: Source, test: str
) -> float | None:
    """The exact p of two groups, by seed, that have one seed, the same; None where they have more or it does not
    apply."""
    if len(runs) != 1 or runs.keys() != others.keys():
        return None
    (seed,) = runs
    return of_records(runs[seed], others[seed], metric, source, test)
