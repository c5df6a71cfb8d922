"""How often a table calls a strategy behind that is not, and how often it finds one that is.

Tables are simulated: tasks with test examples of different difficulty, strategies whose seeds differ in ability. In
the first kind all strategies are equal, and any that the table tells apart from its best is an error. In the second
one strategy is better than the others on every task, and the table should tell the others apart from it.

    python -c "from bench.analysis.statistics.calibration import simulate; print(simulate(6, 1000))"
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.groups import Key
from bench.analysis.statistics.familywise import LEVEL
from bench.analysis.statistics.metrics import DRAWS, resample_counts
from bench.analysis.statistics.paired import Scored, Trio, all_pairs, seed_noise, with_best
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.stepdown import corrected_rivals

METRIC = "accuracy"


@dataclass(frozen=True)
class Design:
    """A simulated table. noise: the standard deviation of seeds, in logits; a logit is about 11 points of score.
    advantage: of the first strategy over the others, in logits."""

    strategies: int
    tasks: int = 4
    seeds: int = 3
    examples: int = 400
    noise: float = 0.06
    advantage: float = 0.0


@dataclass(frozen=True)
class Rates:
    """wrong: the share of tables of equal strategies that tell any of them apart from their best, with its standard
    error. found: the share of inferior strategies, each on one task, that are told apart from the superior one;
    points: by how much it was better."""

    strategies: int
    tables: int
    wrong: float
    error: float
    found: float
    points: float


def simulate(strategies: int, tables: int, advantage: float = 0.4, random: int = 0) -> Rates:
    """The rates over this many tables of each kind; `advantage` is that of the superior strategy, in logits."""
    rng = np.random.default_rng(random)
    wrong = sum(bool(behind(table(Design(strategies), rng))) for _ in range(tables)) / tables
    design = Design(strategies, advantage=advantage)
    found, points = [], []
    for _ in range(tables):
        scores = table(design, rng)
        told = sum(first.strategy == "0" for first, _ in behind(scores))
        found.append(told / (design.tasks * (strategies - 1)))
        means = [float(item.scores.mean()) for item in scores.values()]
        points.append(_advantage(means, strategies))
    error = math.sqrt(wrong * (1 - wrong) / tables)
    return Rates(strategies, tables, wrong, error, float(np.mean(found)), 100 * float(np.mean(points)))


def behind(scores: dict[Scored, Resampled]) -> list[tuple[Key, Key]]:
    """The best of each task and a strategy that is told apart from it, as `compare_pairs` decides."""
    family = all_pairs(scores, seed_noise(scores))
    adjusted = dict(zip(family, corrected_rivals(list(family.values())).adjusted, strict=True))
    best = [(first, second) for first, second, _ in with_best(scores)]
    return [pair for pair in best if _of(adjusted, *pair) < LEVEL]


def _of(adjusted: dict[Trio, float], first: Key, second: Key) -> float:
    place = (first, second, METRIC)
    return adjusted[place if place in adjusted else (second, first, METRIC)]


def table(design: Design, rng: np.random.Generator) -> dict[Scored, Resampled]:
    """The accuracies of one table, as `resample` would read them."""
    found: dict[Scored, Resampled] = {}
    for task in range(design.tasks):
        difficulty = rng.normal(1.5, 2.5, (design.examples, 1, 1))
        ability = rng.normal(0, design.noise, (1, design.strategies, design.seeds))
        ability[:, 0] += design.advantage
        right = rng.random((design.examples, *ability.shape[1:])) < 1 / (1 + np.exp(-difficulty - ability))
        flat = right.reshape(design.examples, -1).astype(float)
        draws = resample_counts(design.examples, DRAWS, (0, 0)) @ flat / design.examples
        for strategy, columns in enumerate(np.split(np.arange(flat.shape[1]), design.strategies)):
            key = Key(f"task{task}", str(strategy), "none")
            means, ids = flat[:, columns].mean(0), np.arange(design.examples)
            found[key, METRIC] = Resampled(tuple(range(design.seeds)), means, draws[:, columns], ids)
    return found


def _advantage(means: Sequence[float], strategies: int) -> float:
    """Of the first strategy over the mean of the others."""
    by_task = np.reshape(means, (-1, strategies))
    return float((by_task[:, 0] - by_task[:, 1:].mean(1)).mean())
