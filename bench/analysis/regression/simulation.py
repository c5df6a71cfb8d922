"""Simulated reruns: what other seeds would have scored, drawn from recorded predictions.

Resampling whole recorded seeds would be unfair: three seeds drawn from three often repeat one seed, as no real run
does, and their variance is too small by (n - 1) / n (Davison & Hinkley 1997, section 3.8). Here a new seed takes
the outcome of each example from a random recorded seed. A normal effect on its log-odds then makes the whole seed
better or worse: examples are made right or wrong in an order that all seeds of the cell share. The effect has the
variance over the recorded seeds that single examples do not explain, cell by cell. So the simulation shares no
assumption with the gate, and with few seeds it makes cells look more different than they are. Example by example,
simulated seeds vary less than real ones, again by (n - 1) / n; the test sets are made smaller by that factor to
restore the noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Columns, Run
from bench.analysis.regression.packing import LABELLED
from bench.analysis.regression.quality import sample
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.resampling import Source, definition
from bench.analysis.statistics.variance import Components
from bench.contracts import BenchError, Metric
from bench.runs.record import Record

CORRELATED = ("pearson", "spearman")
"""The kinds of metrics of two columns of numbers: those that are right, and those that were said."""


@dataclass(frozen=True)
class Pool:
    """The recorded outcomes of one cell: a record to copy, the columns of each recorded seed, and their variance
    components."""

    record: Record
    metric: Metric
    seeds: tuple[Columns, ...]
    parts: Components

    def seed(
        self, examples: np.ndarray, order: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The rows of a new seed on these examples; `order` [examples], in [0, 1), is that of all its seeds."""
        origin = rng.integers(len(self.seeds), size=len(examples))
        rows = {name: values[origin, examples] for name, values in self._stacked.items()}
        mean = min(max(self.parts.mean, 1e-3), 1 - 1e-3)
        deviation = math.sqrt(max(self.parts.seed - self.parts.interaction, 0.0)) / (mean * (1 - mean))
        moved = 1 / (1 + (1 / mean - 1) * math.exp(-rng.normal() * deviation))
        return shifted(rows, self.metric, moved - mean, order)

    @cached_property
    def _stacked(self) -> dict[str, np.ndarray]:
        """The columns of all recorded seeds [seeds, examples]."""
        return {name: np.stack([columns[name] for columns in self.seeds]) for name in self.seeds[0]}


def pools(run: Run) -> dict[Key, Pool]:
    """The finished cells with at least two seeds. BenchError where there is none."""
    source = Source(run.predictions)
    samples = {
        key: (group, found.parts)
        for key, group in gather(run.records).items()
        if len(group.done) > 1 and (found := sample(group, source)) is not None
    }
    if not samples:
        raise BenchError(
            f"{run.name} has no cell with two finished seeds: power cannot be measured", code="too-few-seeds"
        )
    found = {}
    for key, (group, parts) in samples.items():
        metric = definition(group.done[0], group.headline)
        rows = tuple(columns for record in group.done if (columns := source.columns(record)) is not None)
        if metric is not None:
            found[key] = Pool(group.done[0], metric, rows, parts)
    return found


@dataclass(frozen=True)
class Simulator:
    """Makes pairs of runs of the recorded code, with `seeds` new seeds each, on `examples` test examples (drawn
    with replacement where there are not as many), or on as many as were recorded where it is 0."""

    pools: Mapping[Key, Pool]
    seeds: int
    examples: int
    rng: np.random.Generator

    def pair(self, drops: Mapping[Key, float]) -> tuple[Run, Run]:
        """A baseline and a run of the same code, but for `drops` by cell, in units of its headline score."""
        chosen: dict[str, np.ndarray] = {}
        for key, pool in self.pools.items():
            if key.task not in chosen:
                chosen[key.task] = self._chosen(len(pool.seeds), pool.parts.examples)
        orders = {key: self.rng.random(len(chosen[key.task])) for key in self.pools}
        return self._run(chosen, orders, {}), self._run(chosen, orders, drops)

    def _chosen(self, recorded: int, size: int) -> np.ndarray:
        """The examples of a comparison; their number sets the noise."""
        count = max(2, round((recorded - 1) / recorded * (self.examples or size)))
        return np.sort(self.rng.choice(size, count, replace=count > size))

    def _run(
        self, chosen: Mapping[str, np.ndarray], orders: Mapping[Key, np.ndarray], drops: Mapping[Key, float]
    ) -> Run:
        records, files = [], {}
        for key, pool in self.pools.items():
            recorded = pool.record.cell
            for seed in range(self.seeds):
                cell = recorded.__class__(recorded.suite, *key, seed, recorded.recipe, recorded.options)
                rows = pool.seed(chosen[key.task], orders[key], self.rng)
                if key in drops:
                    rows = shifted(rows, pool.metric, -drops[key], self.rng.random(len(rows["id"])))
                records.append(pool.record.model_copy(update={"cell": cell}))
                files[cell.id] = rows
        return Run("simulated", records, files.__getitem__)


def shifted(rows: Columns, metric: Metric, by: float, order: np.ndarray) -> dict[str, np.ndarray]:
    """The rows with a score about `by` higher or lower. Examples are made right or wrong, the least influential
    first, so that no single long example overshoots, and otherwise by `order` [examples]."""
    changed = _mended(rows, metric) if by > 0 else _spoilt(rows, metric, order)
    effect = np.abs(_gain(rows, changed, metric))
    sequence = np.lexsort((order, effect.round(12)))
    sequence = sequence[effect[sequence] > 0]
    if metric.kind in (*LABELLED, *CORRELATED):
        taken = _reaching(rows, changed, metric, by, sequence)
    else:
        taken = sequence[: np.searchsorted(np.cumsum(effect[sequence]), abs(by) + 1e-12)]
    return _with(rows, changed, taken)


def _with(rows: Columns, changed: Columns, taken: np.ndarray) -> dict[str, np.ndarray]:
    """The rows with what changes in these examples."""
    result = {name: np.array(values) for name, values in rows.items()}
    for name, values in changed.items():
        result[name][taken] = values[taken]
    return result


def _reaching(rows: Columns, changed: Columns, metric: Metric, by: float, sequence: np.ndarray) -> np.ndarray:
    """The first of the sequence, as many as move the score so far; all where it cannot be moved so far. What an
    example adds to a correlation, or to a mean over labels, depends on the others."""
    before, (least, most) = ratios(metric, rows).score(), (0, len(sequence) if by else 0)
    while least < most:
        middle = (least + most) // 2
        moved = ratios(metric, _with(rows, changed, sequence[:middle])).score() - before
        if abs(moved) >= abs(by) - 1e-12 and moved * by > 0:
            most = middle
        else:
            least = middle + 1
    return sequence[:least]


def _gain(rows: Columns, changed: Columns, metric: Metric) -> np.ndarray:
    """What changing each example adds to the score [examples], to first order; of a label, whether it is right, and
    of a number in a correlation, whether it changes at all."""
    if metric.kind in CORRELATED:
        (name,) = changed
        return (rows[name] != changed[name]).astype(float)
    if metric.kind in LABELLED:
        right = [side["prediction"] == side["reference"] for side in (rows, {**rows, **changed})]
        return (right[1].astype(float) - right[0]) / len(right[0])
    before, after = ratios(metric, rows), ratios(metric, {**rows, **changed})
    numerators, denominators = after.numerators - before.numerators, after.denominators - before.denominators
    total = max(float(before.denominators.sum()), 1e-9)
    return ((numerators - before.score() * denominators) / total)[:, 0]


def _mended(rows: Columns, metric: Metric) -> dict[str, np.ndarray]:
    """The columns that change where every example is right."""
    if metric.kind in LABELLED:
        return {"prediction": rows["reference"]}
    if metric.kind in CORRELATED:
        return {metric.columns[1]: rows[metric.columns[0]]}
    names = metric.columns
    best = np.ones(len(rows[names[0]])) if metric.kind == "mean" else rows[names[-1]]
    return dict.fromkeys(names[: 2 if metric.kind == "f1" else 1], best)


def _spoilt(rows: Columns, metric: Metric, order: np.ndarray) -> dict[str, np.ndarray]:
    """The columns that change where every example is wrong; `order` draws the wrong label."""
    if metric.kind in CORRELATED:  # each has the answer to another example
        return {metric.columns[1]: rows[metric.columns[1]][np.argsort(order)]}
    if metric.kind not in LABELLED:
        return {metric.columns[0]: np.zeros(len(order))}
    labels, places = np.unique(rows["reference"].astype(str), return_inverse=True)
    away = 1 + (order * 1e6).astype(int) % max(len(labels) - 1, 1)
    return {"prediction": labels.astype(object)[(places + away) % len(labels)]}
