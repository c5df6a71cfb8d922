"""How often a table calls a strategy behind that is not, and how often it finds one that is.

Tables are simulated: tasks with test examples of different difficulty, strategies whose seeds differ in ability. In
the first kind all strategies are equal, and any that the table tells apart from its best is an error. In the second
one strategy is better than the others on every task, and the table should tell the others apart from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np

from bench.analysis.groups import Key
from bench.analysis.statistics.clusters import Clusters
from bench.analysis.statistics.familywise import LEVEL
from bench.analysis.statistics.mcnemar import p_value
from bench.analysis.statistics.metrics import Ratios, clustered, draw
from bench.analysis.statistics.paired import Scored, Trio, seed_noise, tested_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, over_clusters
from bench.analysis.statistics.stepdown import corrected_rivals

METRIC = "accuracy"
F1 = "f1"
EVEN = 4.0  # of Dirichlet's distribution of the sizes of documents: their deviation is about half their mean


@dataclass(frozen=True)
class Design:
    """A simulated table. noise: the standard deviation of seeds, in logits; a logit is about 11 points of score.
    advantage: of the first strategy over the others, in logits. documents: how many the examples come from, 0 where
    they are independent; apart: the standard deviation of a strategy's ability between documents, in logits."""

    strategies: int
    tasks: int = 4
    seeds: int = 3
    examples: int = 400
    noise: float = 0.06
    advantage: float = 0.0
    documents: int = 0
    apart: float = 0.5
    metrics: tuple[str, ...] = (METRIC,)


def false_differences(design: Design, tables: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of tables of equal strategies that tell any apart from their best, and its standard error."""
    wrong = sum(bool(behind(*drawn(design, rng))) for _ in range(tables)) / tables
    return wrong, math.sqrt(wrong * (1 - wrong) / tables)


def differences_found(design: Design, tables: int, rng: np.random.Generator) -> float:
    """The share of inferior strategies, each on one task, that tables tell apart from the superior one."""
    told = sum(first.strategy == "0" for _ in range(tables) for first, _ in behind(*drawn(design, rng)))
    return told / (tables * design.tasks * (design.strategies - 1))


def behind(
    scores: Mapping[Scored, Resampled], exact: Mapping[Trio, float] = MappingProxyType({})
) -> list[tuple[Key, Key]]:
    """The best of each task and a strategy that is told apart from it, as `compare_pairs` decides."""
    family = tested_pairs(scores, seed_noise(scores), exact)
    adjusted = dict(zip(family, corrected_rivals(list(family.values())).adjusted, strict=True))
    best = [trio for trio in with_best(scores) if _of(adjusted, trio) < LEVEL]
    return list(dict.fromkeys((first, second) for first, second, _ in best))


def _of(adjusted: dict[Trio, float], trio: Trio) -> float:
    first, second, metric = trio
    return adjusted[trio if trio in adjusted else (second, first, metric)]


def table(design: Design, rng: np.random.Generator) -> dict[Scored, Resampled]:
    """The scores of one table, as `resample` would read them."""
    return drawn(design, rng)[0]


def drawn(design: Design, rng: np.random.Generator) -> tuple[dict[Scored, Resampled], dict[Trio, float]]:
    """The scores of one table and the p values of its pairs that McNemar's test decides, as `resample` and
    `exact_tests` would read them."""
    found: dict[Scored, Resampled] = {}
    exact: dict[Trio, float] = {}
    for task in range(design.tasks):
        difficulty = rng.normal(1.5, 2.5, (design.examples, 1, 1))
        ability = rng.normal(0, design.noise, (1, design.strategies, design.seeds))
        ability[:, 0] += design.advantage
        clusters = _documents(design, rng)
        if clusters is not None:
            apart = rng.normal(0, design.apart, (clusters.count, design.strategies, 1))
            ability = ability + apart[clusters.numbers]
        right = rng.random((design.examples, design.strategies, design.seeds)) < 1 / (
            1 + np.exp(-difficulty - ability)
        )
        keys = [Key(f"task{task}", str(strategy), "none") for strategy in range(design.strategies)]
        if design.seeds == 1 and clusters is None and METRIC in design.metrics:
            answers = zip(keys, right[:, :, 0].T, strict=True)
            exact |= {
                (one, two, METRIC): p_value(first, second)
                for (one, first), (two, second) in combinations(answers, 2)
            }
        labels = (
            rng.random(design.examples) < 0.5 if F1 in design.metrics else np.zeros(design.examples, bool)
        )
        for metric in design.metrics:
            every = [_ratios(metric, side, labels) for side in right.reshape(design.examples, -1).T]
            if clusters is not None:
                every = [clustered(item, clusters.numbers) for item in every]
            draws, scores = draw(every), np.array([item.score() for item in every])
            for strategy, key in enumerate(keys):
                own = slice(strategy * design.seeds, (strategy + 1) * design.seeds)
                ids = np.arange(design.examples)
                scored = Resampled(tuple(range(design.seeds)), scores[own], draws[:, own], ids)
                found[key, metric] = over_clusters(scored, clusters)
    return found, exact


def _documents(design: Design, rng: np.random.Generator) -> Clusters | None:
    """The document of each example, of unequal sizes."""
    if not design.documents:
        return None
    sizes = rng.dirichlet(np.full(design.documents, EVEN))
    _, numbers = np.unique(rng.choice(design.documents, design.examples, p=sizes), return_inverse=True)
    return Clusters(numbers)


def _ratios(metric: str, right: np.ndarray, labels: np.ndarray) -> Ratios:
    """A score of answers [examples] to questions with one of two labels."""
    if metric == METRIC:
        return Ratios(right[:, None].astype(float), np.ones((len(right), 1)))
    gold = np.stack([labels, ~labels], axis=1)
    said = np.where(right[:, None], gold, ~gold)
    return Ratios(2.0 * (gold & said), gold.astype(float) + said, f1=True)
