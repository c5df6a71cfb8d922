"""How often a 95% interval holds the true mean: simulated for seeds that scatter little, much, or collapse.

Examples have latent abilities needed to be right, and seeds have abilities, all normal (a probit model); seeds of
unequal noise share a table. The model, its test sizes and its tables are not those with which the prior of
`dispersion` was chosen (there: a logit model, and cells of equal noise), so the figures are no fit to themselves.

A cell is measured alone, and as one of a table whose other cells are calm, which is where borrowing from them does
most harm. The truth is the mean over all seeds and examples, collapsed seeds included."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from bench.analysis.statistics.dispersion import INTERVALS, moderated
from bench.analysis.statistics.intervals import of_cell
from bench.analysis.statistics.metrics import Ratios
from bench.analysis.statistics.variance import Components, components, linear_covariance

DEVIATIONS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
SEEDS = (2, 3, 5)
COLLAPSE = 1 / 3
ENTITY_EXAMPLES = 100
HOLDS = 0.91
"""A 95% interval that holds less often than this does not keep its promise."""
CELLS = 20  # of a table
CALM = (0.003, 0.02)  # deviations of a table's other cells
EASE, SPREAD = 0.9, 1.4  # of examples, in probits: a mean score near 0.7
CHANCE = 0.5  # the score of a seed that learned nothing
ENTITIES = 1.5  # a sentence
INVENTED = 0.4  # entities that are none, for each one missed
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
Score = Literal["accuracy", "entity F1"]


@dataclass(frozen=True)
class Setting:
    """A simulated cell. deviation: the standard deviation of seeds, in units of the score. collapse: the share of
    seeds that learn nothing."""

    score: Score
    seeds: int
    examples: int
    deviation: float
    collapse: float = 0.0


@dataclass(frozen=True)
class Coverage:
    """Of `runs` simulated cells: how often the interval held the truth, for a cell alone and for one of a table of
    calm cells; the standard error of such a share; half the interval's width in the table, at the median."""

    setting: Setting
    runs: int
    alone: float
    table: float
    error: float
    half: float

    @property
    def holds(self) -> bool:
        """Whether the interval keeps its promise, alone and in a table."""
        return min(self.alone, self.table) >= HOLDS


def settings(examples: int = 600) -> list[Setting]:
    """Those of the documented table."""
    steady = [Setting("accuracy", seeds, examples, size) for seeds in SEEDS for size in DEVIATIONS]
    collapsing = [Setting("accuracy", seeds, examples, 0.01, COLLAPSE) for seeds in SEEDS]
    entities = [
        Setting("entity F1", seeds, ENTITY_EXAMPLES, size) for seeds in SEEDS for size in (0.01, 0.03)
    ]
    return [*steady, *collapsing, *entities]


def measure(setting: Setting, runs: int, random: int = 0) -> Coverage:
    """The coverage over this many simulated cells, alone and in as many tables."""
    rng = np.random.default_rng((random, setting.seeds, round(1e4 * setting.deviation)))
    ability = _ability(setting)
    truth = (1 - setting.collapse) * _moments(setting.score, ability)[0] + setting.collapse * CHANCE
    calm = [
        cell(Setting("accuracy", setting.seeds, setting.examples, size), rng)
        for size in np.exp(rng.uniform(math.log(CALM[0]), math.log(CALM[1]), 10 * CELLS))
    ]
    alone, table, halves = [], [], []
    for _ in range(runs):
        found = cell(setting, rng, ability)
        item = of_cell(found, moderated([found], INTERVALS)[0])
        alone.append(item.low <= truth <= item.high)
        others = [calm[place] for place in rng.choice(len(calm), CELLS - 1, replace=False)]
        item = of_cell(found, moderated([found, *others], INTERVALS)[0])
        table.append(item.low <= truth <= item.high)
        halves.append(item.half)
    share = float(np.mean(table))
    error = math.sqrt(share * (1 - share) / runs)
    return Coverage(setting, runs, float(np.mean(alone)), share, error, float(np.median(halves)))


def cell(setting: Setting, rng: np.random.Generator, ability: float | None = None) -> Components:
    """The variance components of one simulated cell; ability: the standard deviation of seeds, in probits."""
    from scipy.special import ndtr

    ability = _ability(setting) if ability is None else ability
    ease = rng.normal(EASE, SPREAD, (setting.examples, 1))
    chances = ndtr(ease + rng.normal(0, ability, (1, setting.seeds)))
    chances = np.where(rng.random((1, setting.seeds)) < setting.collapse, CHANCE, chances)
    scores = (_entities if setting.score == "entity F1" else _labels)(chances, rng)
    influences = np.stack([item.influence() for item in scores], axis=1)
    means = np.array([item.score() for item in scores])
    return components(means, linear_covariance(influences), setting.examples)


def _labels(chances: np.ndarray, rng: np.random.Generator) -> list[Ratios]:
    right = (rng.random(chances.shape) < chances).astype(float)
    return [Ratios(right[:, [seed]], np.ones((len(right), 1))) for seed in range(right.shape[1])]


def _entities(chances: np.ndarray, rng: np.random.Generator) -> list[Ratios]:
    """Entities of sentences: how many there are is the same for all seeds; some are found, some invented."""
    gold = rng.poisson(ENTITIES, (len(chances), 1))
    right = rng.binomial(np.broadcast_to(gold, chances.shape), chances)
    predicted = right + rng.poisson(ENTITIES * INVENTED * (1 - chances))
    return [
        Ratios(2.0 * right[:, [seed]], (predicted + gold)[:, [seed]].astype(float))
        for seed in range(chances.shape[1])
    ]


def _ability(setting: Setting) -> float:
    """The standard deviation of seeds, in probits, that gives the setting's deviation."""
    from scipy.optimize import brentq

    found = brentq(lambda size: _moments(setting.score, size)[1] - setting.deviation, 0.0, 3.0)
    return float(found)  # pyright: ignore[reportArgumentType]


def _moments(score: Score, ability: float) -> tuple[float, float]:
    """The mean and the standard deviation over seeds of the score on infinitely many examples."""
    from scipy.special import ndtr

    right = ndtr((EASE + ability * NODES) / math.hypot(1, SPREAD))
    values = 2 * right / (1 + right + INVENTED * (1 - right)) if score == "entity F1" else right
    weights = WEIGHTS / WEIGHTS.sum()
    mean = float(weights @ values)
    return mean, math.sqrt(max(float(weights @ (values - mean) ** 2), 0.0))


def markdown(found: Sequence[Coverage]) -> str:
    """The table of the documentation: coverage alone and in a table, by deviation and number of seeds."""
    rows: dict[str, dict[int, str]] = {}
    for item in found:
        setting = item.setting
        name = f"{setting.score}, {setting.examples} examples, {_points(100 * setting.deviation)}"
        name += ", one seed in three learns nothing" if setting.collapse else ""
        shown = f"{100 * item.alone:.0f} / {100 * item.table:.0f}%"
        rows.setdefault(name, {})[setting.seeds] = shown if item.holds else f"**{shown}**"
    counts = sorted({item.setting.seeds for item in found})
    head = ["deviation over seeds", *(f"{count} seeds" for count in counts)]
    lines = [" | ".join(head), "|".join(["---", *(["---:"] * len(counts))])]
    lines += [" | ".join([name, *(by.get(count, "") for count in counts)]) for name, by in rows.items()]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines) + "\n"


def _points(value: float) -> str:
    return "1 point" if value == 1 else f"{value:g} points"


def as_json(found: Sequence[Coverage]) -> str:
    """One line a setting."""
    return "".join(json.dumps(asdict(item)) + "\n" for item in found)


def read(text: str) -> list[Coverage]:
    """What `as_json` wrote."""
    values = [json.loads(line) for line in text.splitlines()]
    return [Coverage(**{**value, "setting": Setting(**value["setting"])}) for value in values]
