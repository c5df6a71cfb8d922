"""Linear models on TF-IDF, by scikit-learn: what is reached without an encoder and without transfer.

TF-IDF of words and pairs of words with sublinear counts, and a penalty chosen on the validation rows: the baseline
of Wang & Manning (2012, ACL) and of most papers on text classification. Characters stand for words where texts have
no blanks. Deterministic: the seed plays no part. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import BenchError, LabelsExample, NumberExample, Recipe, Splits, Task, TextExample
from bench.data.encoding import Encoded, label_index
from bench.data.label_sets import indicators
from bench.data.numbers import scale_of
from bench.data.splits import content, training_subset

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

INVERSE_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
MOST = 200_000  # words and pairs of words
SEARCHED = 5_000  # training rows, at most, that the penalty is chosen with
FEW_WORDS = 3  # words a text, below which characters stand for them
WORD = re.compile(r"\w+")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff]")
"""Characters of scripts without blanks between words."""
SURE = 20.0
"""The logit of a label that all training rows have; its negative of one that none has."""
UNSEEN = -1e4
"""The logit of a label that a model has not seen."""
ITERATIONS = 1000


@dataclass(frozen=True)
class Linear:
    """A linear model on TF-IDF. vectors: None where no text has a word or a character to count. maps: features to
    logits, [N, features] -> [N, outputs]. parameters: its weights and biases."""

    vectors: TfidfVectorizer | None
    maps: Callable[[Any], np.ndarray]
    parameters: int
    inverse_penalty: float

    def logits(self, examples: Sequence[Any]) -> np.ndarray:
        """What a head would give, float64 [N, outputs], in the order of the task's labels."""
        return self.maps(_features(self.vectors, examples))


Score = Callable[[Linear], float]
"""The headline metric of a model on the validation rows."""


def fit(train: Sequence[Any], labels: Sequence[str], recipe: Recipe, score: Score) -> Linear:
    """The model with the highest score of those with one of INVERSE_PENALTIES; the most penalised of equals.

    Logistic regression of a label, one for each label where a text may have several, ridge regression of numbers.
    BenchError where rows have none of these."""
    vectors = _vectors([content(row) for row in train])
    few = training_subset(train, SEARCHED)
    features = _features(vectors, few)

    def fitted(strength: float, part: Sequence[Any], features: Any) -> Linear:
        maps, parameters = _maps(features, part, labels, _Penalty(strength, recipe.class_weights))
        return Linear(vectors, maps, parameters, strength)

    best = max((fitted(strength, few, features) for strength in INVERSE_PENALTIES), key=score)
    if len(few) == len(train):
        return best
    return fitted(best.inverse_penalty, train, _features(vectors, train))


@dataclass(frozen=True)
class Decoding:
    """How logits of texts become predictions and scores: by the task, as the logits of a head do."""

    task: Task
    rows: Splits
    labels: tuple[str, ...]
    recipe: Recipe

    def chosen_on(self, validation: np.ndarray) -> Decoding:
        """With what the task chooses on the validation rows, from their logits."""
        rows = self.rows.validation
        task = self.task.fitted(validation, _whole(len(rows)), rows, self.labels, self.recipe)
        return replace(self, task=task)

    def predictions(self, logits: np.ndarray, examples: Sequence[Any]) -> list[Any]:
        return self.task.decode(logits, _whole(len(examples)), examples, self.labels)

    def score(self, model: Linear) -> float:
        """The headline metric on the validation rows, which `fit` chooses by."""
        logits, rows = model.logits(self.rows.validation), self.rows.validation
        final = self.chosen_on(logits)
        return final.task.score(rows, final.predictions(logits, rows))[self.task.headline]


@dataclass(frozen=True)
class _Penalty:
    """How a model is fitted. strength: the inverse of the penalty."""

    strength: float
    class_weights: str = "none"

    def regression(self) -> LogisticRegression:
        from sklearn.linear_model import LogisticRegression

        weights = "balanced" if self.class_weights == "balanced" else None
        return LogisticRegression(C=self.strength, class_weight=weights, max_iter=ITERATIONS)


def _vectors(texts: Sequence[str]) -> TfidfVectorizer | None:
    """TF-IDF of words, or of characters where texts have few words or no blanks between them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    several = median(len(text.split()) for text in texts) >= FEW_WORDS
    letters = sum(len(word) for text in texts for word in WORD.findall(text))
    unspaced = sum(len(UNSPACED.findall(text)) for text in texts)
    if several and 2 * unspaced < letters:
        return TfidfVectorizer(
            sublinear_tf=True, token_pattern=r"(?u)\w+", ngram_range=(1, 2), max_features=MOST
        ).fit(texts)
    if not any(texts):
        return None
    return TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3), max_features=MOST).fit(
        texts
    )


def _features(vectors: TfidfVectorizer | None, examples: Sequence[Any]) -> Any:
    """[N, features], sparse; one feature without a value where there is nothing to count."""
    if vectors is None:
        return np.zeros((len(examples), 1))
    return vectors.transform([content(example) for example in examples])


Maps = tuple[Callable[[Any], np.ndarray], int]
"""From features to logits, and the number of parameters."""


def _maps(features: Any, rows: Sequence[Any], labels: Sequence[str], penalty: _Penalty) -> Maps:
    if isinstance(rows[0], NumberExample):
        from sklearn.linear_model import Ridge

        mean, deviation = scale_of(labels)
        numbers = (np.array([row.number for row in rows], np.float64) - mean) / deviation
        ridge = Ridge(alpha=1 / penalty.strength).fit(features, numbers)
        return lambda found: np.reshape(ridge.predict(found), (-1, 1)), features.shape[1] + 1
    if isinstance(rows[0], LabelsExample):
        return _several(features, indicators(rows, labels), penalty)
    if isinstance(rows[0], TextExample):
        targets = label_index((row.id for row in rows), (row.label for row in rows), labels)
        return _one(features, targets, len(labels), penalty)
    raise BenchError(
        f"TF-IDF takes texts with a label, labels or a number, and these rows are {type(rows[0]).__name__}",
        code="counts-need-texts",
    )


def _one(features: Any, targets: np.ndarray, labels: int, penalty: _Penalty) -> Maps:
    """One of `labels` labels, by their number."""
    seen = np.unique(targets)
    model = penalty.regression().fit(features, targets) if len(seen) > 1 else None

    def maps(found: Any) -> np.ndarray:
        logits = np.full((found.shape[0], labels), UNSEEN)
        logits[:, seen] = 0.0
        if model is not None:
            decisions = model.decision_function(found)
            logits[:, seen[1:] if decisions.ndim == 1 else seen] = decisions.reshape(len(logits), -1)
        return logits

    return maps, 0 if model is None else model.coef_.size + model.intercept_.size


def _several(features: Any, targets: np.ndarray, penalty: _Penalty) -> Maps:
    """A model for each column of targets [N, labels]; one that all rows have, or none, needs no model."""
    models = [
        penalty.regression().fit(features, target) if len(set(target.tolist())) > 1 else None
        for target in targets.T
    ]

    def maps(found: Any) -> np.ndarray:
        columns = [
            np.full(found.shape[0], SURE * (2 * target[0] - 1))
            if model is None
            else model.decision_function(found)
            for model, target in zip(models, targets.T, strict=True)
        ]
        return np.stack(columns, 1)

    return maps, sum(model.coef_.size + model.intercept_.size for model in models if model)


def _whole(count: int) -> Encoded:
    """So many texts, each one sequence: what decoding asks of an encoding."""
    zeros = np.zeros(count, np.int32)
    return Encoded(
        tokens=zeros,
        offsets=np.arange(count + 1, dtype=np.int64),
        segments=zeros.astype(np.int8),
        example=np.arange(count, dtype=np.int32),
        targets=zeros.astype(np.int64),
    )
