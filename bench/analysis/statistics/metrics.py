"""Scores as ratios of sums over examples, so that one matrix product resamples any of them.

Every Metric of bench.contracts has the form

    score = mean over labels l of  sum_i numerator[i, l] / sum_i denominator[i, l]

(all but macro F1 have one label). Labels whose denominator is zero are left out, as scikit-learn does with labels
that occur in neither references nor predictions. A resample of the examples is a vector of counts; the derivative
of the score with respect to the counts is its influence function, which gives the variance without resampling (the
infinitesimal jackknife: Jaeckel 1972; Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans,
section 6).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.analysis.loading import Columns
from bench.analysis.statistics import correlations
from bench.contracts import BenchError, Metric
from bench.runs.record import Record

BY_LABEL = ("macro_f1", "class_f1", "macro_recall", "class_recall", "class_precision")
"""The kinds that read labels in `reference` and `prediction`."""
DRAWS = 1000
FEW = 5  # units right, or wrong, below which a proportion is far from normal
BLOCK = 4_000_000  # resampling counts held at once: 16 MB


@dataclass(frozen=True)
class Ratios:
    """A score on a test set. numerators, denominators: float [examples, labels]. f1: whether it is an F1, in which
    a right unit has twice the denominator of a wrong one."""

    numerators: np.ndarray
    denominators: np.ndarray
    f1: bool = False

    def __len__(self) -> int:
        return len(self.numerators)

    def score(self) -> float:
        """The score, in [0, 1]; 0 where every denominator is zero, as scikit-learn's zero_division=0."""
        return float(_mean_ratio(self.numerators.sum(0), self.denominators.sum(0)))

    def influence(self) -> np.ndarray:
        """The derivative of the score in the weight of each example [examples]; sums to zero."""
        totals = self.denominators.sum(0)
        present = totals > 0
        if not present.any():
            return np.zeros(len(self))
        numerators, denominators = self.numerators[:, present], self.denominators[:, present]
        ratios = numerators.sum(0) / totals[present]
        return ((numerators - ratios * denominators) / totals[present]).mean(1)


def clustered(scores: Ratios, clusters: np.ndarray) -> Ratios:
    """The same score with clusters of examples as its units: `clusters` [examples] numbers them from 0."""
    sums = [
        np.zeros((int(clusters.max()) + 1, side.shape[1]))
        for side in (scores.numerators, scores.denominators)
    ]
    np.add.at(sums[0], clusters, scores.numerators)
    np.add.at(sums[1], clusters, scores.denominators)
    return Ratios(sums[0], sums[1], scores.f1)


def exact_interval(scores: Sequence[Ratios], level: float = 0.95) -> tuple[float, float] | None:
    """The interval of Clopper and Pearson (1934) where the bootstrap fails: where every unit is right, or every
    unit wrong, in all of these scores, and where a single score averages right and wrong and fewer than FEW units
    are either. None elsewhere. The scores are of a metric in [0, 1].

    A mean over labels has the least, or the largest, that its labels can have together without this outcome being
    rarer than the interval allows: a label of three examples says little, however many the others have. Where all
    units of a label are wrong, a share p of right ones would be an F1 of 2p / (1 + p)."""
    fewest = min(scores, key=lambda item: int((item.denominators > 0).sum()))
    counted = (fewest.denominators > 0).sum(0)  # units of each label
    if not counted.any():
        return None
    right, wrong = (all(_equal(item, value).all() for item in scores) for value in (1.0, 0.0))
    if right or wrong:
        shares = _together(counted[counted > 0], (1 - level) / 2)
        if right:
            return float(shares.mean()), 1.0
        return 0.0, float((2 * (1 - shares) / (2 - shares) if scores[0].f1 else 1 - shares).mean())
    if len(scores) > 1 or not _is_share(scores[0]):
        return None
    successes, units = int(scores[0].numerators.sum()), len(scores[0])
    return proportion(successes, units, level) if min(successes, units - successes) < FEW else None


def proportion(successes: int, units: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of Clopper and Pearson of a share of independent units."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, units - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, units - successes, 1 - tail)) if successes < units else 1.0
    return low, high


def _together(units: np.ndarray, tail: float) -> np.ndarray:
    """The shares of right units of labels with so many units each [labels] whose mean is the least, where all units
    are right with this probability: prod(share ** units) = tail. One label: tail ** (1 / units)."""
    low, high = 0.0, 1 / float(units.min())
    for _ in range(60):  # they are the units times a factor, but 1 at most
        factor = (low + high) / 2
        shares = np.minimum(factor * units, 1.0)
        low, high = (factor, high) if float(units @ np.log(shares)) < math.log(tail) else (low, factor)
    return np.minimum(high * units, 1.0)


def _is_share(scores: Ratios) -> bool:
    """Whether the score averages right and wrong, each unit once."""
    one = scores.denominators.shape[1] == 1 and (scores.denominators == 1).all()
    return bool(one and np.isin(scores.numerators, (0, 1)).all())


def _equal(scores: Ratios, value: float) -> np.ndarray:
    """Whether each unit has this ratio in all labels that it has [units]."""
    return ((scores.numerators == value * scores.denominators) | (scores.denominators == 0)).all(axis=1)


def _mean_ratio(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Over the last axis, the mean of the ratios whose denominator is positive; 0 where none is."""
    present = denominators > 0
    ratios = np.divide(numerators, denominators, out=np.zeros(numerators.shape), where=present)
    return ratios.sum(-1) / np.maximum(present.sum(-1), 1)


def ratios_of(record: Record, metric: Metric, columns: Columns) -> Ratios:
    """As `ratios`, of a record's cell, which an error names: among thousands, one file may be damaged."""
    try:
        return ratios(metric, columns)
    except BenchError as error:
        raise BenchError(
            f"{record.cell.id}: {error}; run the cell again with --fresh", code=error.code
        ) from error


def ratios(metric: Metric, columns: Columns) -> Ratios:
    """The metric on the rows of one test set. BenchError names a column that the file lacks."""
    if metric.kind in BY_LABEL:
        return _label_ratios(metric, columns)
    if metric.kind == "sets_f1":
        return _set_ratios(columns)
    if metric.kind == "mcc":
        return _averaged(
            correlations.mcc(np.asarray(columns["reference"]), np.asarray(columns["prediction"]))
        )
    values = [_numeric(columns, name) for name in metric.columns]
    if metric.kind in ("pearson", "spearman"):
        return _averaged(getattr(correlations, metric.kind)(*values))
    if metric.kind in ("mean", "error"):
        return Ratios(values[0][:, None], np.ones((len(values[0]), 1)))
    if metric.kind == "ratio":
        return Ratios(values[0][:, None], values[1][:, None])
    true_positives, predicted, gold = values
    return Ratios(2 * true_positives[:, None], (predicted + gold)[:, None], f1=True)


def _averaged(values: np.ndarray) -> Ratios:
    return Ratios(values[:, None], np.ones((len(values), 1)))


def _numeric(columns: Columns, name: str) -> np.ndarray:
    if name not in columns:
        raise BenchError(
            f"the predictions have no column '{name}' (columns: {', '.join(columns)})", code="no-column"
        )
    try:
        values = np.asarray(columns[name], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise BenchError(f"column '{name}' of the predictions holds no numbers", code="no-numbers") from error
    if not np.isfinite(values).all():
        raise BenchError(
            f"column '{name}' of the predictions has a value that is not finite", code="no-numbers"
        )
    return values


def _label_ratios(metric: Metric, columns: Columns) -> Ratios:
    """F1 (2 true positives over predicted plus gold), recall or precision by label, one indicator column per
    label."""
    reference, prediction = (np.asarray(columns[name]).tolist() for name in ("reference", "prediction"))
    labels = metric.columns[:1] or sorted({str(label) for label in {*reference, *prediction}})
    gold, predicted = (_indicators(values, labels) for values in (reference, prediction))
    if metric.kind in ("macro_recall", "class_recall"):
        return Ratios(gold * predicted, gold)
    if metric.kind == "class_precision":
        return Ratios(gold * predicted, predicted)
    return Ratios(2 * gold * predicted, gold + predicted, f1=True)


def _indicators(values: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """1 where an example has the label: float [examples, labels]."""
    places = {label: place for place, label in enumerate(labels)}
    found = np.array([places.get(value, -1) for value in values], dtype=np.intp)
    return (found[:, None] == np.arange(len(labels))).astype(np.float64)


def _set_ratios(columns: Columns) -> Ratios:
    """F1 by label of sets of labels, which are written as JSON lists."""
    read = lru_cache(maxsize=None)(lambda text: frozenset(json.loads(text)))
    try:
        gold, said = ([read(str(text)) for text in columns[name]] for name in ("reference", "prediction"))
    except (ValueError, TypeError, RecursionError) as error:
        raise BenchError("the predictions hold no sets of labels", code="no-sets") from error
    place = {label: number for number, label in enumerate(sorted(frozenset().union(*gold, *said)))}
    found = [np.zeros((len(gold), max(len(place), 1))) for _ in range(2)]
    for matrix, sets in zip(found, (gold, said), strict=True):
        for row, labels in enumerate(sets):
            matrix[row, [place[label] for label in labels]] = 1
    return Ratios(2 * found[0] * found[1], found[0] + found[1], f1=True)


def draw(scores: Sequence[Ratios], draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """The bootstrap distribution of several scores on the same examples: float [draws, scores].

    Each resample draws as many examples as there are, with replacement, the same ones for every score, so
    that differences between columns are paired (Efron & Tibshirani 1993, chapter 10; for F1, resampling
    sentences and recomputing: Berg-Kirkpatrick et al. 2012, EMNLP)."""
    examples = len(scores[0])
    if any(len(score) != examples for score in scores):
        raise BenchError(
            "the scores to be compared are on test sets of different sizes", code="different-test-sets"
        )
    if not examples:
        return np.zeros((draws, len(scores)))
    step = max(1, min(draws, BLOCK // examples))
    parts = []
    for start in range(0, draws, step):
        counts = resample_counts(examples, min(step, draws - start), (seed, start))
        parts.append(_resampled(scores, counts))
    return np.concatenate(parts)


def _resampled(scores: Sequence[Ratios], counts: np.ndarray) -> np.ndarray:
    """Each score [resamples, scores], by one matrix product, which reads the large counts once. counts: how often
    each example is drawn [resamples, examples]."""
    sides = [side for score in scores for side in (score.numerators, score.denominators)]
    sums = counts @ np.concatenate(sides, axis=1).astype(counts.dtype)
    parts = np.split(sums, np.cumsum([side.shape[1] for side in sides])[:-1], axis=1)
    return np.stack([_mean_ratio(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)], axis=1)


@lru_cache(maxsize=4)
def resample_counts(examples: int, draws: int, seed: tuple[int, ...]) -> np.ndarray:
    """How often each example is drawn in each resample: float32 [draws, examples], rows sum to examples."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, examples, size=(draws, examples)) + examples * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * examples)
    return counts.reshape(draws, examples).astype(np.float32)
