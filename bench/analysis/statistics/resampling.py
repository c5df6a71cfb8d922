"""The scores of a group of seeds and their bootstrap distribution over test examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.groups import Group
from bench.analysis.loading import Columns, Predictions, columns
from bench.analysis.statistics.metrics import draw, ratios
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.variance import Components, components
from bench.contracts import Metric
from bench.runs.record import Record


@dataclass(frozen=True)
class Source:
    """Where per-example predictions come from: `predictions(cell id)`."""

    predictions: Callable[[str], Predictions]

    def columns(self, record: Record, test: str = "test") -> Columns | None:
        """The rows of one test set; None where the record has no predictions on it."""
        try:
            found = columns(self.predictions(record.cell.id), test)
        except (OSError, KeyError):
            return None
        return found if len(next(iter(found.values()), ())) else None


@dataclass(frozen=True)
class Resampled:
    """A score by seed: scores [seeds], draws [resamples, seeds], on the examples `ids` [examples].

    Any two with the same number of examples share their resamples, so their draws may be subtracted."""

    seeds: tuple[int, ...]
    scores: np.ndarray
    draws: np.ndarray
    ids: np.ndarray

    def components(self) -> Components:
        """The variance components of the mean over seeds."""
        covariance = np.atleast_2d(np.cov(self.draws, rowvar=False))
        return components(self.scores, covariance, len(self.ids))

    def distribution(self, noise: Noise, seed: int) -> np.ndarray:
        """Draws of the mean over seeds [resamples]: bootstrap draws over the test examples plus normal noise for
        the rest of `noise`, the whole error of the mean, whose variance is drawn as well."""
        over_examples = self.draws.mean(1)
        rng = np.random.default_rng(seed)
        variances = rng.choice(noise.variances, len(over_examples), p=noise.weights)
        rest = np.sqrt(np.maximum(variances - over_examples.var(), 0.0))
        centred = over_examples - over_examples.mean()
        return self.scores.mean() + centred + rest * rng.normal(size=len(rest))

    def log_odds(self) -> Resampled:
        """The scores as log-odds, linearised at their mean and centred on the mean's log-odds, so that a test of
        the result is a test of the mean score. A mean of 0 or 1 is moved by half an example."""
        least = 0.5 / max(len(self.ids), 1)
        mean = float(np.clip(self.scores.mean(), least, 1 - least))
        slope = 1 / (mean * (1 - mean))
        level = math.log(mean / (1 - mean))
        return replace(
            self, scores=level + slope * (self.scores - mean), draws=level + slope * (self.draws - mean)
        )

    def minus(self, other: Resampled) -> Resampled | None:
        """The difference, seed by seed, on the seeds that both have; None without one or on other examples."""
        shared = [seed for seed in self.seeds if seed in other.seeds]
        if not shared or not np.array_equal(self.ids, other.ids):
            return None
        own = [self.seeds.index(seed) for seed in shared]
        others = [other.seeds.index(seed) for seed in shared]
        return Resampled(
            tuple(shared),
            self.scores[own] - other.scores[others],
            self.draws[:, own] - other.draws[:, others],
            self.ids,
        )


def definition(record: Record, metric: str) -> Metric | None:
    """The definition of this record's metric over its prediction columns."""
    return next((item for item in record.metrics if item.name == metric), None)


def resample(group: Group, metric: str, source: Source, test: str = "test") -> Resampled | None:
    """The group's scores over resamples; None where a finished seed lacks the metric or its predictions, or where
    its seeds were scored on different examples."""
    found, ids = [], []
    for record in group.done:
        how, rows = definition(record, metric), source.columns(record, test)
        if how is None or rows is None:
            return None
        found.append(ratios(how, rows))
        ids.append(rows["id"])
    if not found or not all(np.array_equal(ids[0], other) for other in ids[1:]):
        return None
    seeds = tuple(record.cell.seed for record in group.done)
    return Resampled(seeds, np.array([item.score() for item in found]), draw(found), ids[0])
