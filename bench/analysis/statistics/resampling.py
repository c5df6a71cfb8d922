"""The scores of a group of seeds and their bootstrap distribution over test examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench.analysis.groups import Group
from bench.analysis.loading import Columns, LeftOut, Predictions, Run, Sums, columns
from bench.analysis.statistics.clusters import Clusters, of_rows
from bench.analysis.statistics.metrics import Ratios, clustered, draw, exact_interval, ratios_of
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.scales import SHARE, Scale, scale_of
from bench.analysis.statistics.variance import Components, components
from bench.contracts import Metric
from bench.runs.record import Record


@dataclass(frozen=True)
class Source:
    """Where per-example predictions come from: `predictions(cell id)`. sums, left_out: as in Run."""

    predictions: Callable[[str], Predictions]
    sums: Sums | None = None
    left_out: Callable[[str], LeftOut] | None = None

    @classmethod
    def of(cls, run: Run) -> Source:
        return cls(run.predictions, run.sums, run.left_out)

    def columns(self, record: Record, test: str = "test") -> Columns | None:
        """The rows of one test set; None where the record has no predictions on it."""
        try:
            found = columns(self.predictions(record.cell.id), test)
        except (OSError, KeyError):
            return None
        return found if len(next(iter(found.values()), ())) else None

    def tests(self, record: Record) -> dict[str, Columns]:
        """The rows of every test set on which the record has predictions, read once."""
        try:
            table = self.predictions(record.cell.id)
        except (OSError, KeyError):
            return {}
        found = {test: columns(table, test) for test in dict.fromkeys(("test", *record.scores))}
        return {test: rows for test, rows in found.items() if len(next(iter(rows.values()), ()))}


@dataclass(frozen=True)
class Resampled:
    """A score by seed: scores [seeds], draws [resamples, seeds], on the examples `ids` [examples]. clusters: the
    number of groups that were resampled, 0 where the examples themselves were. exact, unit: as in Components.
    scale: what the scores are. effective: the degrees of freedom of clusters that are not of one size.

    Any two with the same number of examples share their resamples, so their draws may be subtracted."""

    seeds: tuple[int, ...]
    scores: np.ndarray
    draws: np.ndarray
    ids: np.ndarray
    clusters: int = 0
    exact: tuple[float, float] | None = None
    scale: Scale = SHARE
    unit: float = 1.0
    effective: float | None = None

    @property
    def dof(self) -> float:
        """Degrees of freedom of the variance over examples; infinite where they are independent."""
        if not self.clusters:
            return math.inf
        return self.clusters - 1.0 if self.effective is None else self.effective

    @property
    def least(self) -> float:
        """The standard deviation over examples, at least: a few clusters may all score alike by chance, but not
        more alike than one example can tell. 0 where examples are independent."""
        return self.unit / max(len(self.ids), 1) if self.clusters else 0.0

    def components(self) -> Components:
        """The variance components of the mean over seeds."""
        return self._components

    @cached_property
    def _components(self) -> Components:
        """Once: intervals, moderation and pairs read them."""
        covariance = np.atleast_2d(np.cov(self.draws, rowvar=False))
        found = components(self.scores, covariance, len(self.ids))
        example = max(found.example, self.least**2)
        return replace(found, example=example, exact=self.exact, unit=self.unit, example_dof=self.dof)

    def distribution(self, noise: Noise, seed: int) -> np.ndarray:
        """Draws of the mean over seeds [resamples]: bootstrap draws over the test examples plus normal noise for
        the rest of `noise`, the whole error of the mean, whose variance is drawn as well."""
        over_examples = self.draws.mean(1)
        rng = np.random.default_rng(seed)
        variances = rng.choice(noise.variances, len(over_examples), p=noise.weights)
        rest = np.sqrt(np.maximum(variances - over_examples.var(), 0.0))
        centred = over_examples - over_examples.mean()
        return self.scores.mean() + centred + rest * rng.normal(size=len(rest))

    def oriented(self) -> Resampled:
        """The scores with their sign changed where lower is better, so that higher is."""
        better = self.scale.better
        return replace(self, scores=better * self.scores, draws=better * self.draws)

    def slope(self) -> float:
        """The derivative of the scale of the test at the mean score."""
        return self.scale.slope(float(self.scores.mean()), len(self.ids))

    def tested(self) -> Resampled:
        """The scores on the scale of the test, linearised at their mean and centred on its level, so that a test of
        the result is a test of the mean score."""
        mean, slope = float(self.scores.mean()), self.slope()
        level = self.scale.level(mean, len(self.ids))
        scores, draws = slope * (self.scores - mean), slope * (self.draws - mean)
        return replace(self, scores=level + scores, draws=level + draws)

    def minus(self, other: Resampled) -> Resampled | None:
        """The difference, seed by seed, on the seeds that both have; None without one or on other examples."""
        if not alike(self.ids, other.ids):
            return None
        if self.seeds == other.seeds:
            return replace(
                self,
                scores=self.scores - other.scores,
                draws=self.draws - other.draws,
                exact=None,
                unit=max(self.unit, other.unit),
            )
        shared = [seed for seed in self.seeds if seed in other.seeds]
        if not shared:
            return None
        own = [self.seeds.index(seed) for seed in shared]
        others = [other.seeds.index(seed) for seed in shared]
        return Resampled(
            tuple(shared),
            self.scores[own] - other.scores[others],
            self.draws[:, own] - other.draws[:, others],
            self.ids,
            self.clusters,
            scale=self.scale,
            unit=max(self.unit, other.unit),
            effective=self.effective,
        )


def alike(ids: np.ndarray, others: np.ndarray) -> bool:
    """Whether these are the same examples: equal columns of prediction files are one array."""
    return ids is others or np.array_equal(ids, others)


def same_units(tables: Sequence[Columns]) -> bool:
    """Whether these rows are of the same examples, in the same documents: scores on them are paired."""
    first, *others = (_Units.of(rows).ids for rows in tables)
    return all(alike(first, other) for other in others)


def definition(record: Record, metric: str) -> Metric | None:
    """The definition of this record's metric over its prediction columns."""
    return next((item for item in record.metrics if item.name == metric), None)


def resample(group: Group, metric: str, source: Source, test: str = "test") -> Resampled | None:
    """The group's scores over resamples; None where a finished seed lacks the metric or its predictions, where its
    seeds were scored on different examples, or where all examples are of one document, which tells nothing of
    others."""
    return resample_metrics(group, (metric,), source, test).get(metric)


def resample_metrics(
    group: Group, metrics: Iterable[str], source: Source, test: str = "test"
) -> dict[str, Resampled]:
    """As `resample`, for several metrics, without those that have no such scores. The rows of a seed are read
    once."""
    parts: dict[str, list[_OfSeed]] = {metric: [] for metric in metrics}
    for record in group.done:
        if not parts:
            break
        rows = source.columns(record, test)
        units = None if rows is None else _Units.of(rows)
        for metric in list(parts):
            how = definition(record, metric)
            if how is None or rows is None or units is None:
                del parts[metric]
            else:
                parts[metric].append(_OfSeed(units.scores(ratios_of(record, how, rows)), units, how.kind))
    seeds = tuple(record.cell.seed for record in group.done)
    made = {metric: _resampled(seeds, found) for metric, found in parts.items()}
    return {metric: found for metric, found in made.items() if found is not None}


@dataclass(frozen=True)
class _Units:
    """What is resampled: examples, or clusters of them. ids: of the examples, with their clusters if there are
    any."""

    ids: np.ndarray
    clusters: Clusters | None

    @classmethod
    def of(cls, rows: Columns) -> _Units:
        clusters = documents_of(rows)
        return cls(rows["id"] if clusters is None else _with(rows["id"], clusters.numbers), clusters)

    def scores(self, found: Ratios) -> Ratios:
        return found if self.clusters is None else clustered(found, self.clusters.numbers)


@dataclass(frozen=True)
class _OfSeed:
    """The score of a seed. kind: of the metric."""

    score: Ratios
    units: _Units
    kind: str


def _resampled(seeds: tuple[int, ...], parts: Sequence[_OfSeed]) -> Resampled | None:
    """From the score of every seed; None without one, where the seeds were scored on different examples, and where
    these are of one document."""
    if not parts or not all(alike(parts[0].units.ids, other.units.ids) for other in parts[1:]):
        return None
    found, units = [part.score for part in parts], parts[-1].units
    if units.clusters is not None and units.clusters.count < 2:
        return None
    scores = np.array([item.score() for item in found])
    scale = scale_of(parts[-1].kind)
    exact = exact_interval(found) if scale == SHARE else None
    unit = scale.unit(float(scores.mean()))
    plain = Resampled(seeds, scores, draw(found), parts[0].units.ids, 0, exact, scale, unit)
    return over_clusters(plain, units.clusters)


def over_clusters(found: Resampled, clusters: Clusters | None) -> Resampled:
    """Scores whose draws are over these clusters: the bootstrap of a few is too narrow. One has no draws that tell
    anything."""
    if clusters is None or clusters.count < 2:
        return found if clusters is None else replace(found, clusters=1)
    draws = found.scores + (found.draws - found.scores) * math.sqrt(clusters.correction)
    return replace(found, draws=draws, clusters=clusters.count, effective=clusters.dof)


def _with(ids: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The ids with their clusters: scores on other clusters are not paired."""
    return np.char.add(ids.astype(str), np.char.add("\0", clusters.astype(str)))


def documents_of(rows: Columns) -> Clusters | None:
    """The clusters by the column `group`: examples of one document are not independent, so documents are resampled.
    None where the file has no groups, or only groups of one."""
    return of_rows(rows["group"]) if "group" in rows else None
