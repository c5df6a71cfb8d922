"""The change of a score between two runs of a suite, and its noise: what the regression gate tests.

The question is whether this code scores worse on this test set, so the examples are fixed and the noise is that of
seeds. Its variance is pooled over both runs of a cell and moderated over all cells (`statistics.dispersion`).

The same code with the same seeds on one machine repeats its predictions, and a small change of code repeats most of
them. Where both runs have the same seeds, the change is therefore also taken seed by seed and example by example.
Its noise is then that of these differences: over the examples whose outcome differs, and over seeds. It is used
where it is clearly smaller, so that two runs that share no randomness are compared as before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.loading import Columns
from bench.analysis.regression.outcomes import Outcomes, Predicted, same_outcomes
from bench.analysis.regression.packing import id_digest
from bench.analysis.statistics.clusters import Clusters
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.metrics import ratios_of
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.resampling import Source, definition, documents_of
from bench.analysis.statistics.variance import Components, components, linear_covariance
from bench.runs.record import Record

ONE_SEED_DISPERSION = 4.0
"""Assumed where no cell of either run has two seeds: seeds twice as noisy as their disagreement implies."""
SURE = 0.975
CLEARLY = 0.5  # of the seeds' own noise: smaller than chance makes the noise of paired differences
UNSEEN = "every example scores the same; one run lacks the predictions"


@dataclass(frozen=True)
class Sample:
    """The seeds of one cell in one run: their components, the digest of the test ids, their scores and influences
    [examples, seeds], and a digest of every column of outcomes by seed. clusters: of the examples,
    by document, where known. whole: whether the outcomes show what was predicted, and not its scores alone."""

    parts: Components
    ids: str
    seeds: tuple[int, ...]
    scores: np.ndarray
    influences: np.ndarray
    outcomes: tuple[Mapping[str, bytes], ...]
    clusters: Clusters | None = None
    whole: bool = True


@dataclass(frozen=True)
class Matched:
    """What is judged of a cell in both runs. before, after: the components of either. pooled: those of the seeds of
    both. paired: those of the differences seed by seed; None without the same seeds in both, two at least, and of
    one document. dof: degrees of freedom of their variance over examples, infinite without documents.
    identical: whether all predictions are the same. unseen: whether all that both runs hold is the same, where one
    does not hold the predictions."""

    before: Components
    after: Components
    pooled: Components
    paired: Components | None
    dof: float
    same_seeds: bool
    identical: bool
    unseen: bool

    @classmethod
    def of(cls, before: Sample, after: Sample) -> Matched:
        """Reads the predictions for the last time: those of thousands of cells would not fit in memory."""
        same = before.seeds == after.seeds
        documents = before.clusters
        told = documents is None or documents.count > 1
        paired = paired_components(before, after) if told and same and len(before.seeds) > 1 else None
        equal, whole = identical(before, after), before.whole and after.whole
        return cls(
            before.parts,
            after.parts,
            pooled(before, after),
            paired,
            math.inf if documents is None else documents.dof,
            same,
            equal and whole,
            equal and not whole,
        )


@dataclass(frozen=True)
class Change:
    """After minus before, in units of the score, with its error. identical, unseen: as in Matched."""

    key: Key
    before: float
    after: float
    noise: Noise
    note: str = ""
    identical: bool = False
    unseen: bool = False

    @property
    def same_scores(self) -> bool:
        """Whether every example scores the same, so that nothing is left to test."""
        return self.identical or self.unseen

    @property
    def difference(self) -> float:
        return self.after - self.before

    def p(self, direction: int) -> float:
        """The chance of a change this far up (direction 1) or down (-1) if nothing had changed."""
        if self.same_scores:
            return 1.0
        return self.noise.tail(direction * self.difference)

    def detectable(self, chance: float, power: float) -> float:
        """The smallest change found with this power by a test with this chance of a false alarm; 0 where nothing
        differs, so that nothing is left to detect."""
        if self.same_scores:
            return 0.0
        return self.noise.quantile(1 - chance) + self.noise.quantile(power)


def sample(group: Group, source: Source) -> Sample | None:
    """The finished seeds of a cell; None where one lacks its metric or its predictions."""
    found, ids, outcomes, clusters, last = [], set(), [], None, None
    for record in group.done:
        how, tests = definition(record, group.headline), source.tests(record)
        columns = tests.get("test")
        if how is None or columns is None:
            return None
        clusters = clusters if found else documents_of(columns)
        found.append(ratios_of(record, how, columns))
        if columns["id"] is not last:
            last = columns["id"]
            ids.add(id_digest(last))
        outcomes.append(Outcomes(_predicted(record, tests, source), how))
    if not found or len(ids) > 1:
        return None
    influences = np.stack([item.influence() for item in found], axis=1)
    scores = np.array([item.score() for item in found])
    parts = components(scores, linear_covariance(influences), len(influences))
    seeds = tuple(record.cell.seed for record in group.done)
    whole = all(item.whole for item in outcomes)
    return Sample(parts, ids.pop(), seeds, scores, influences, tuple(outcomes), clusters, whole)


def _predicted(record: Record, tests: Mapping[str, Columns], source: Source) -> dict[str, Predicted]:
    """What a seed predicts on each test set: a change may show on a shifted one alone."""
    if source.left_out is None:
        return {test: Predicted(rows) for test, rows in tests.items()}
    known = source.left_out(record.cell.id)
    return {test: Predicted(rows, known.get(test)) for test, rows in tests.items()}


def changes(cells: Mapping[Key, Matched]) -> dict[Key, Change]:
    """The change of every cell."""
    seed_noise = dict(zip(cells, moderated([cell.pooled for cell in cells.values()]), strict=True))
    known = any(cell.pooled.seeds > 1 for cell in cells.values())
    closer = paired_noise(cells)
    found = {}
    for key, cell in cells.items():
        noise, note = seed_noise[key], ""
        if cell.pooled.seeds == 1:
            note = (
                "one seed: noise taken from other cells" if known else "one seed: noise over seeds is assumed"
            )
            noise = noise if known else Noise.known(ONE_SEED_DISPERSION * cell.pooled.interaction)
        noise = noise.scaled(1 / cell.before.seeds + 1 / cell.after.seeds)
        if key in closer and closer[key].quantile(SURE) < CLEARLY * noise.quantile(SURE):
            noise, note = closer[key], "compared seed by seed"
        note = "" if cell.identical else UNSEEN if cell.unseen else note
        found[key] = Change(key, cell.before.mean, cell.after.mean, noise, note, cell.identical, cell.unseen)
    return found


def identical(before: Sample, after: Sample) -> bool:
    """Whether both runs have the same seeds and, for each, the same value in every column that both have."""
    return before.seeds == after.seeds and same_outcomes(before.outcomes, after.outcomes)


def paired_noise(cells: Mapping[Key, Matched]) -> dict[Key, Noise]:
    """The error of the mean difference, seed by seed, of cells with the same seeds in both runs, two at least."""
    parts = {key: cell.paired for key, cell in cells.items() if cell.paired is not None}
    noises = moderated(list(parts.values())) if parts else []
    return {
        key: total([Noise.student(found.example, cells[key].dof), noise.scaled(1 / found.seeds)])
        for (key, found), noise in zip(parts.items(), noises, strict=True)
    }


def paired_components(before: Sample, after: Sample) -> Components:
    """Of the differences, seed by seed; the examples of a cluster count as one."""
    moved = after.influences - before.influences
    if before.clusters is None:
        covariance, units = linear_covariance(moved), len(moved)
    else:
        summed = np.zeros((before.clusters.count, moved.shape[1]))
        np.add.at(summed, before.clusters.numbers, moved)
        covariance, units = summed.T @ summed * before.clusters.correction, len(summed)
    return components(after.scores - before.scores, covariance, units)


def pooled(before: Sample, after: Sample) -> Components:
    """One set of components for the seeds of both runs: variances weighted by their degrees of freedom. With
    one seed in each, the two runs' disagreement tells the interaction, and nothing the variance over seeds."""
    sides = [side.parts for side in (before, after) if side.parts.seeds > 1]
    if not sides:
        difference = (after.influences.mean(1) - before.influences.mean(1))[:, None]
        least = 1 / len(difference) ** 2  # where they agree on everything: a few examples
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
        identical=all(item.identical for item in cells),
        unseen=all(item.same_scores for item in cells) and not all(item.identical for item in cells),
    )
