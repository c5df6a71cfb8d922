"""Paired comparisons of strategies: the same task, the same seeds, the same test examples.

The difference of two scores is resampled with the same examples for both (paired bootstrap: Koehn 2004,
EMNLP; Berg-Kirkpatrick et al. 2012, EMNLP); the noise of both over seeds is added, moderated as for
intervals, so a difference that other seeds would not show is not significant (Dror et al. 2018, ACL, on testing in
NLP; Bouthillier et al. 2021, MLSys, on seeds). Mean scores are tested as log-odds: a strategy whose seeds scatter
about 60 is less likely to reach 90 than 30 (Brown, Cai & DasGupta 2001, Statistical Science 16, on the logit
interval; `scales` has other metrics); intervals are of the scores themselves. P values hold over all pairs of a
table, because the best is chosen from the same data (`familywise`). Where McNemar's exact test applies it decides
(`mcnemar`). The effect size is Cohen's h (1988, chapter 6): about 0.2 is small, 0.5 medium, 0.8 large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from bench.analysis.groups import Key
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.familywise import LEVEL, Corrected
from bench.analysis.statistics.intervals import Interval, estimated
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.rivals import Rival, RivalPair, rival_pairs
from bench.analysis.statistics.scales import SHARE, Scale
from bench.analysis.statistics.stepdown import corrected_rivals
from bench.analysis.workers import mapped

SURE = 80
POWER = SURE / 100  # with which a detectable difference would be found
WORTH = 1000
"""Comparisons that are worth a process."""


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second`, in units of the score. p: two-sided, of this pair alone; adjusted: over all pairs of
    the table. detectable: the smallest true difference that would be found with POWER. effect: Cohen's h on the
    seeds of the difference, of shares alone. mcnemar: the exact p, or None where the test does not apply. scale: of
    the metric. clusters: the number of documents that were resampled, 0 where the examples themselves were."""

    first: Key
    second: Key
    metric: str
    difference: Interval
    p: float
    adjusted: float
    detectable: float
    effect: float | None
    mcnemar: float | None = None
    scale: Scale = SHARE
    clusters: int = 0

    @property
    def tied(self) -> bool:
        """Whether the two cannot be told apart at 5% over the whole table; not evidence that they are equal."""
        return self.adjusted >= LEVEL

    @property
    def first_leads(self) -> bool:
        """Whether `first` has the better score of the two, on the seeds that both have."""
        return self.difference.mean * self.scale.better > 0

    @property
    def behind(self) -> bool:
        """Whether `second` is told apart from `first` as the worse one. The best of a task is so by all its seeds,
        and may be told apart as the worse one on the seeds that it shares with another."""
        return not self.tied and self.first_leads


Scored = tuple[Key, str]
"""A group and one of its metrics."""

Trio = tuple[Key, Key, str]
"""Two groups of a task and the metric that compares them."""

Pairs = Sequence[Trio]
"""What to compare."""


def with_best(scores: Mapping[Scored, Resampled]) -> list[tuple[Key, Key, str]]:
    """The best of every task and metric by its mean, which is the lowest of an error, paired with the others."""
    found: dict[tuple[str, str], list[Key]] = {}
    for key, metric in scores:
        found.setdefault((key.task, metric), []).append(key)
    pairs = []
    for (_, metric), keys in found.items():
        best = max(keys, key=lambda key: _merit(scores[key, metric]))
        pairs += [(best, key, metric) for key in keys if key != best]
    return pairs


def _merit(found: Resampled) -> float:
    """The mean score, the higher the better."""
    return found.scale.better * float(found.scores.mean())


def compare_pairs(
    scores: Mapping[Scored, Resampled],
    pairs: Pairs,
    exact: Mapping[Trio, float] = MappingProxyType({}),
    families: int = 1,
) -> list[Comparison]:
    """The comparisons, in the order of the pairs; those that cannot be tested (`unequal`) are left out.

    Their p values are corrected for every pair of all scores, which are those of one table. exact: the p values of
    pairs that an exact test decides; they stand in the same family. families: how many a table has, on test sets of
    their own, among which the error is divided."""
    noise = seed_noise(scores)
    family = tested_pairs(scores, noise, exact)
    found = corrected_rivals(list(family.values())).divided(families)
    adjusted = dict(zip(family, found.adjusted, strict=True))
    verdicts = _Verdicts(scores, noise, family, adjusted, found)
    return [item for item in mapped(verdicts.of, pairs, WORTH) if item is not None]


@dataclass(frozen=True)
class _Verdicts:
    """What comparisons rest on. noise: of a seed of each group. adjusted: the p value of each pair over the family.
    corrected: the levels of the family."""

    scores: Mapping[Scored, Resampled]
    noise: Mapping[Scored, Noise]
    family: Mapping[Trio, RivalPair]
    adjusted: Mapping[Trio, float]
    corrected: Corrected

    def of(self, trio: Trio) -> Comparison | None:
        """The comparison of a pair; None where it cannot be tested."""
        first, second, metric = trio
        key = trio if trio in self.family else (second, first, metric)
        minus = self.scores[first, metric].minus(self.scores[second, metric]) if key in self.family else None
        if minus is None:
            return None
        pair, difference = self.family[key], _estimated(minus, self.noise, trio)
        error, scale = difference.noise, self.scores[first, metric].scale
        missed = error.quantile(1 - self.corrected.level(pair.few) / 2) + error.quantile(POWER)
        return Comparison(
            first,
            second,
            metric,
            difference,
            pair.p,
            self.adjusted[key],
            detectable=min(missed, scale.highest - scale.lowest),
            effect=_cohen_h(self.scores[first, metric], self.scores[second, metric], minus.seeds),
            mcnemar=pair.exact,
            scale=scale,
            clusters=minus.clusters,
        )


def by_task_and_metric(scores: Mapping[Scored, Resampled]) -> dict[tuple[str, str], list[Scored]]:
    """The groups of every task and metric."""
    found: dict[tuple[str, str], list[Scored]] = {}
    for key, metric in scores:
        found.setdefault((key.task, metric), []).append((key, metric))
    return found


def all_pairs(scores: Mapping[Scored, Resampled], noise: Mapping[Scored, Noise]) -> dict[Trio, RivalPair]:
    """Every pair of groups of a task, by each metric, on the scale of its test. noise: of a seed of each group."""
    places = {scored: place for place, scored in enumerate(scores)}
    family: dict[Trio, RivalPair] = {}
    for members in by_task_and_metric(scores).values():  # one task at a time: two copies of all are too large
        family.update(_pairs_of_task({scored: scores[scored] for scored in members}, noise, places))
    ordered = sorted(family, key=lambda trio: (places[trio[0], trio[2]], places[trio[1], trio[2]]))
    return {trio: family[trio] for trio in ordered}


def tested_pairs(
    scores: Mapping[Scored, Resampled], noise: Mapping[Scored, Noise], exact: Mapping[Trio, float]
) -> dict[Trio, RivalPair]:
    """Every pair as `all_pairs`, with the p values of those that an exact test decides."""
    family = all_pairs(scores, noise)
    for trio in exact.keys() & family.keys():
        family[trio] = replace(family[trio], exact=exact[trio])
    return family


def _pairs_of_task(
    scores: Mapping[Scored, Resampled], noise: Mapping[Scored, Noise], places: Mapping[Scored, int]
) -> dict[Trio, RivalPair]:
    """The pairs of the groups of a task by one metric. places: seed the draws of the noise over seeds."""
    rivals = [Rival.of(group, noise[scored], places[scored]) for scored, group in scores.items()]
    scored = list(scores)
    return {
        (scored[first][0], scored[second][0], scored[first][1]): pair
        for first, second, pair in rival_pairs(rivals)
    }


def seed_noise(scores: Mapping[Scored, Resampled]) -> dict[Scored, Noise]:
    """The error over seeds of every group, moderated across the groups of a metric. Groups are moderated, not
    differences: the best of a task is in many differences, and its noise must not count many times."""
    found: dict[Scored, Noise] = {}
    for metric in dict.fromkeys(metric for _, metric in scores):
        own = [scored for scored in scores if scored[1] == metric]
        found.update(zip(own, moderated([scores[scored].components() for scored in own]), strict=True))
    return found


def _estimated(minus: Resampled, noise: Mapping[Scored, Noise], trio: Trio) -> Interval:
    """The difference of a pair with its error over examples and over the seeds of both groups."""
    first, second, metric = trio
    parts, errors = minus.components(), []
    if parts.seeds > 1:
        errors = [noise[key, metric].scaled(1 / parts.seeds) for key in (first, second)]
    return estimated(parts, total([parts.over_examples(), *errors]))


def _cohen_h(first: Resampled, second: Resampled, seeds: Sequence[int]) -> float | None:
    """Of the mean scores on these seeds; None where they are no shares."""
    if first.scale != SHARE:
        return None
    means = [float(side.scores[np.isin(side.seeds, seeds)].mean()) for side in (first, second)]
    angles = [2 * math.asin(math.sqrt(min(max(mean, 0.0), 1.0))) for mean in means]
    return angles[0] - angles[1]
