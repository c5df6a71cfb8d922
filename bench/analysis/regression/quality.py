"""The change of a score between two runs of a suite, and its noise: what the regression gate tests.

The question is whether this code scores worse on this test set, so the examples are fixed and the noise is
that of seeds. Its variance is pooled over both runs of a cell and moderated over all cells
(`statistics.dispersion`). Nothing is gained by equal seeds in both runs, and nothing is lost: if predictions
are identical the change is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.regression.baseline import id_digest
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.resampling import Source, definition
from bench.analysis.statistics.variance import Components, components, linear_covariance

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
    """After minus before, in units of the score, with its error over seeds."""

    key: Key
    before: float
    after: float
    noise: Noise
    note: str = ""

    @property
    def difference(self) -> float:
        return self.after - self.before

    def p(self, direction: int) -> float:
        """The chance of a change this far up (direction 1) or down (-1) if nothing had changed."""
        return self.noise.tail(direction * self.difference)

    def detectable(self, chance: float, power: float) -> float:
        """The smallest change found with this power by a test with this chance of a false alarm."""
        return self.noise.quantile(1 - chance) + self.noise.quantile(power)


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


def changes(samples: Mapping[Key, tuple[Sample, Sample]]) -> dict[Key, Change]:
    """The change of every cell."""
    both = {key: pooled(*pair) for key, pair in samples.items()}
    seed_noise = dict(zip(both, moderated(list(both.values())), strict=True))
    known = any(parts.seeds > 1 for parts in both.values())
    found = {}
    for key, (before, after) in samples.items():
        noise, note = seed_noise[key], ""
        if both[key].seeds == 1:
            note = (
                "one seed: noise taken from other cells" if known else "one seed: noise over seeds is assumed"
            )
            noise = noise if known else Noise.known(ONE_SEED_DISPERSION * both[key].interaction)
        share = 1 / before.parts.seeds + 1 / after.parts.seeds
        found[key] = Change(key, before.parts.mean, after.parts.mean, noise.scaled(share), note)
    return found


def pooled(before: Sample, after: Sample) -> Components:
    """One set of components for the seeds of both runs: variances weighted by their degrees of freedom. With
    one seed in each, the two runs' disagreement tells the interaction, and nothing the variance over seeds."""
    sides = [side.parts for side in (before, after) if side.parts.seeds > 1]
    if not sides:
        difference = (after.influence - before.influence)[:, None]
        least = 1 / max(len(difference), 1) ** 2  # where they agree on everything: a few examples
        return replace(before.parts, interaction=max(float(linear_covariance(difference)[0, 0]) / 2, least))
    dof = sum(side.dof for side in sides)
    interaction = sum(side.dof * side.interaction for side in sides) / dof
    seed = sum(side.dof * side.seed for side in sides) / dof
    return replace(sides[0], seeds=dof + 1, seed=seed, interaction=interaction)


def mean_change(key: Key, cells: Sequence[Change]) -> Change:
    """The mean change of a strategy over its tasks, each counted alike."""
    count = len(cells)
    return Change(
        key,
        sum(item.before for item in cells) / count,
        sum(item.after for item in cells) / count,
        total([item.noise.scaled(1 / count**2) for item in cells]),
    )
