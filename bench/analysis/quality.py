"""The change of a score between two runs of a suite, and its noise: what the regression gate tests.

The question is whether this code scores worse on this test set, so the examples are fixed and the noise is
that of seeds. Its variance in each run is dispersion x interaction / seeds (bench.analysis.variance), where
the interaction is measured exactly on thousands of examples and the dispersion is pooled over both runs of a
cell and moderated over all cells (Smyth 2004; Lund et al. 2012). Nothing is gained by equal seeds in both
runs, and nothing is lost: if predictions are identical the change is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.baseline import id_digest
from bench.analysis.groups import Group, Key
from bench.analysis.intervals import student_quantile, student_tail
from bench.analysis.metrics import ratios
from bench.analysis.resampling import Source, definition
from bench.analysis.variance import Components, Prior, components, linear_covariance, satterthwaite

ONE_SEED_DISPERSION = 4.0
"""Assumed where no cell of either run has two seeds: seeds twice as noisy as their disagreement implies."""


@dataclass(frozen=True)
class Sample:
    """The seeds of one cell in one run: their components, the digest of the test ids, and the mean influence
    over seeds [examples], which tells a single seed's interaction by comparison with the other run."""

    parts: Components
    ids: str
    influence: np.ndarray


@dataclass(frozen=True)
class Change:
    """After minus before, in units of the score, with its standard error over seeds."""

    key: Key
    before: float
    after: float
    error: float
    dof: float
    note: str = ""

    @property
    def difference(self) -> float:
        return self.after - self.before

    def p(self, direction: int) -> float:
        """The chance of a change this far up (direction 1) or down (-1) if nothing had changed."""
        if self.error == 0:
            return 0.0 if self.difference * direction > 0 else 1.0
        return student_tail(direction * self.difference / self.error, self.dof)

    def detectable(self, chance: float, power: float) -> float:
        """The smallest change found with this power by a test with this chance of a false alarm."""
        return self.error * (student_quantile(1 - chance, self.dof) + student_quantile(power, self.dof))


def sample(group: Group, source: Source) -> Sample | None:
    """The finished seeds of a cell; None where one lacks its metric or its predictions."""
    found, ids = [], []
    for record in group.done:
        how, rows = definition(record, group.headline), source.columns(record)
        if how is None or rows is None:
            return None
        found.append(ratios(how, rows))
        ids.append(id_digest(rows["id"]))
    if not found or len(set(ids)) > 1:
        return None
    influences = np.stack([item.influence() for item in found], axis=1)
    scores = np.array([item.score() for item in found])
    parts = components(scores, linear_covariance(influences), len(influences))
    return Sample(parts, ids[0], influences.mean(1))


def change(key: Key, before: Sample, after: Sample, prior: Prior) -> Change:
    """The change of one cell."""
    sides, both = (before.parts, after.parts), pooled(before, after)
    if both is None:
        return _one_seed_change(key, before, after, prior)
    variance, dof = prior.seed_variance(both)
    ratio = variance / both.interaction if both.interaction > 0 else 1.0
    noise = [
        ratio * (side.interaction if side.seeds > 1 else both.interaction) / side.seeds for side in sides
    ]
    return Change(key, sides[0].mean, sides[1].mean, math.sqrt(sum(noise)), dof)


def pooled(before: Sample, after: Sample) -> Components | None:
    """One set of components for the seeds of both runs: variances weighted by their degrees of freedom; None
    where neither has two seeds."""
    sides = [side.parts for side in (before, after) if side.parts.seeds > 1]
    if not sides:
        return None
    dof = sum(side.dof for side in sides)
    interaction = sum(side.dof * side.interaction for side in sides) / dof
    seed = sum(side.dof * side.seed for side in sides) / dof
    return replace(sides[0], seeds=dof + 1, seed=seed, interaction=interaction)


def _one_seed_change(key: Key, before: Sample, after: Sample, prior: Prior) -> Change:
    """One seed in each run: their disagreement bounds the interaction, the dispersion is the other cells'."""
    difference = (after.influence - before.influence)[:, None]
    disagreement = float(linear_covariance(difference)[0, 0])
    known = prior.dof > 0
    dispersion = max(prior.dispersion, 1.0) if known else ONE_SEED_DISPERSION
    note = "one seed: noise taken from other cells" if known else "one seed: noise over seeds is assumed"
    error = math.sqrt(dispersion * disagreement)
    return Change(key, before.parts.mean, after.parts.mean, error, prior.dof if known else math.inf, note)


def mean_change(key: Key, changes: Sequence[Change], prior: Prior) -> Change:
    """The mean change of a strategy over its tasks, each counted alike."""
    count = len(changes)
    variances = [item.error**2 / count**2 for item in changes]
    dof = satterthwaite(variances, [item.dof for item in changes])
    largest = max(item.dof for item in changes)
    return Change(
        key,
        sum(item.before for item in changes) / count,
        sum(item.after for item in changes) / count,
        math.sqrt(sum(variances)),
        min(dof, max(prior.pooled, largest)) if prior.dof else dof,
    )
