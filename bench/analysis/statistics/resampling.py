"""The scores of a group of seeds and their bootstrap distribution over test examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.groups import Group
from bench.analysis.loading import Columns, Predictions, columns
from bench.analysis.statistics.metrics import draw, ratios
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

    Draws of any two with the same number of examples use the same resamples, so they may be subtracted."""

    seeds: tuple[int, ...]
    scores: np.ndarray
    draws: np.ndarray
    ids: np.ndarray

    def components(self) -> Components:
        """The variance components of the mean over seeds."""
        covariance = np.atleast_2d(np.cov(self.draws, rowvar=False))
        return components(self.scores, covariance, len(self.ids))

    def log_odds(self) -> Resampled:
        """The scores as log-odds, by the tangent at their mean, whose own log-odds are the new mean: so a test
        of it is a test of the mean score. A mean of 0 or 1 is half an example away from it."""
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
    """How this record's metric follows from its prediction columns."""
    return next((item for item in record.metrics if item.name == metric), None)


def resample(group: Group, metric: str, source: Source, test: str = "test") -> Resampled | None:
    """The group's scores over resamples; None where a finished seed lacks the metric or its predictions, or
    where its seeds were scored on different examples."""
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
