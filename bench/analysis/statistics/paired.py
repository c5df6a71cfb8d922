"""Paired comparisons of strategies: the same task, the same seeds, the same test examples.

The difference of two scores is resampled with the same examples for both (paired bootstrap: Koehn 2004,
EMNLP; Berg-Kirkpatrick et al. 2012, EMNLP); the noise of both over seeds is added, moderated as for
intervals, so a difference that other seeds would not show is not significant (Dror et al. 2018, ACL, on
testing in NLP; Bouthillier et al. 2021, MLSys, on seeds). Mean scores are tested as log-odds, where a strategy
that scatters about 60 is not taken to reach 90 as easily as 30 (Brown, Cai & DasGupta 2001, Statistical
Science 16, on the logit interval); intervals are of the scores themselves. P values are Holm's (1979) over all
comparisons of a table. McNemar's exact test is given where it applies: one seed, and a metric that averages
right and wrong. The effect size is Cohen's h (1988, chapter 6): about 0.2 is small, 0.5 medium, 0.8 large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.groups import Group, Key, check_metric, gather
from bench.analysis.loading import Predictions
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.intervals import Interval, estimated
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.resampling import Resampled, Source, definition, resample
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.runs.record import Record

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second`, in units of the score. p: two-sided; adjusted: Holm's, over the table.
    effect: Cohen's h. mcnemar: the exact p, or None where the test does not apply."""

    first: Key
    second: Key
    metric: str
    difference: Interval
    p: float
    adjusted: float
    effect: float
    mcnemar: float | None = None

    @property
    def tied(self) -> bool:
        """Whether the two cannot be told apart at 5% over the whole table."""
        return self.adjusted >= LEVEL


Scored = tuple[Key, str]
"""A group and one of its metrics."""

Pairs = Sequence[tuple[Key, Key, str]]
"""What to compare: first, second, metric."""


def with_best(scores: Mapping[Scored, Resampled]) -> list[tuple[Key, Key, str]]:
    """The best of every task and metric by its mean, paired with each of the others."""
    found: dict[tuple[str, str], list[Key]] = {}
    for key, metric in scores:
        found.setdefault((key.task, metric), []).append(key)
    pairs = []
    for (_, metric), keys in found.items():
        best = max(keys, key=lambda key: scores[key, metric].scores.mean())
        pairs += [(best, key, metric) for key in keys if key != best]
    return pairs


def compare_pairs(scores: Mapping[Scored, Resampled], pairs: Pairs) -> list[Comparison]:
    """The comparisons, in the order of the pairs; those without a shared seed or example are left out."""
    differences = _differences(scores, pairs)
    odds = _differences({scored: group.log_odds() for scored, group in scores.items()}, pairs)
    p = [_p_value(item) for item in odds.values()]
    return [
        Comparison(*pair, item, raw, corrected, _cohen_h(scores, *pair))
        for (pair, item), raw, corrected in zip(differences.items(), p, holm(p), strict=True)
    ]


def _differences(scores: Mapping[Scored, Resampled], pairs: Pairs) -> dict[tuple[Key, Key, str], Interval]:
    """The difference of every pair that has one. Its error over seeds is that of both groups, each moderated for
    itself: the best of a task is in many differences, and its noise is not to count as seen many times."""
    seed_noise = dict(zip(scores, moderated([group.components() for group in scores.values()]), strict=True))
    found = {}
    for first, second, metric in pairs:
        difference = scores[first, metric].minus(scores[second, metric])
        if difference is None:
            continue
        parts, errors = difference.components(), []
        if parts.seeds > 1:
            errors = [seed_noise[key, metric].scaled(1 / parts.seeds) for key in (first, second)]
        found[first, second, metric] = estimated(parts, total([Noise.known(parts.example), *errors]))
    return found


def _p_value(difference: Interval) -> float:
    return 1.0 if difference.mean == 0 else 2 * difference.noise.tail(abs(difference.mean))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, as statsmodels' multipletests(p, method="holm") has them; importing that
    takes longer than everything else here."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    stepped = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted.tolist()


def _cohen_h(scores: Mapping[Scored, Resampled], first: Key, second: Key, metric: str) -> float:
    means = [float(scores[key, metric].scores.mean()) for key in (first, second)]
    angles = [2 * math.asin(math.sqrt(min(max(mean, 0.0), 1.0))) for mean in means]
    return angles[0] - angles[1]


def mcnemar(first: Record, second: Record, metric: str, source: Source) -> float | None:
    """McNemar's exact p of two single runs on the same examples (statsmodels); None where it does not apply:
    another kind of metric, a column that is not 0 or 1, other examples."""
    how = definition(first, metric)
    rows, others = source.columns(first), source.columns(second)
    if how is None or how.kind != "mean" or rows is None or others is None:
        return None
    right, other = (np.asarray(side[how.columns[0]], dtype=float) for side in (rows, others))
    if not np.array_equal(rows["id"], others["id"]) or not np.isin([right, other], (0, 1)).all():
        return None
    from statsmodels.stats.contingency_tables import mcnemar as exact

    table = [[int(((right == a) & (other == b)).sum()) for b in (1, 0)] for a in (1, 0)]
    return float(exact(table, exact=True).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def with_mcnemar(
    comparisons: Sequence[Comparison], groups: Mapping[Key, Group], source: Source
) -> list[Comparison]:
    """The comparisons, where McNemar's exact test decides those that rest on a single seed: their p is its, and
    Holm's is over them. What another seed would change is not known."""
    exact: dict[int, float] = {}
    for place, item in enumerate(comparisons):
        first, second = (
            {record.cell.seed: record for record in groups[key].done} for key in (item.first, item.second)
        )
        shared = first.keys() & second.keys()
        if len(shared) == 1:
            (seed,) = shared
            p = mcnemar(first[seed], second[seed], item.metric, source)
            if p is not None:
                exact[place] = p
    adjusted = dict(zip(exact, holm(list(exact.values())), strict=True))
    return [
        replace(item, mcnemar=exact[place], p=exact[place], adjusted=adjusted[place])
        if place in exact
        else item
        for place, item in enumerate(comparisons)
    ]


def build(records: Sequence[Record], predictions: Callable[[str], Predictions], metric: str = "") -> Table:
    """Every group against the best of its task, by the task's headline or by `metric`, as a table.

    BenchError where there are no two groups of a task with predictions on the same examples and seeds."""
    groups, source = gather(records), Source(predictions)
    check_metric(metric, groups.values())
    scores = {
        (key, name): found
        for key, group in groups.items()
        if (found := resample(group, name := metric or group.headline, source)) is not None
    }
    compared = compare_pairs(scores, with_best(scores))
    if not compared:
        raise BenchError("there are no two strategies with predictions on the same task, seeds and examples")
    return table(with_mcnemar(compared, groups, source))


def table(comparisons: Sequence[Comparison]) -> Table:
    """The comparisons as a table, a block a task."""
    columns = (
        Column("metric", "metric", "text"),
        Column("difference", "difference", "score"),
        Column("effect", "Cohen's h", "effect"),
        Column("p", "p (Holm)", "p"),
        Column("mcnemar", "McNemar", "p"),
        Column("verdict", "verdict", "text"),
    )
    blocks: dict[str, list[Row]] = {}
    for item in comparisons:
        entries = (
            Entry(item.metric),
            Entry(item.difference.mean, item.difference.half),
            Entry(item.effect),
            Entry(item.adjusted),
            Entry(item.mcnemar),
            Entry(
                "not told apart"
                if item.tied
                else "first is better"
                if item.difference.mean > 0
                else "second is better"
            ),
        )
        labels = tuple(f"{key.strategy} {key.backbone}" for key in (item.first, item.second))
        blocks.setdefault(item.first.task, []).append(Row(labels, entries))
    return Table(
        "Paired comparisons on the same seeds and test examples",
        ("first", "second"),
        columns,
        tuple(Block(task, tuple(rows)) for task, rows in blocks.items()),
        ("± is half of a 95% interval of the difference; p values are Holm's over the table.",),
        "task",
    )
