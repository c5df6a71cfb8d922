"""Linear models on features of texts, by what rows say: a label, labels, a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.contracts import LabelsExample, NumberExample
from bench.data.label_sets import decode_sets, indicators
from bench.data.texts import label_order

Predict = Callable[[Any], list[Any]]
"""From features to predictions, as a task decodes them."""


def fit(features: Any, rows: Sequence[Any], strength: float) -> Predict:
    """Logistic regression, one for each label where a text may have several; ridge regression of numbers. strength:
    the inverse of the penalty."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if isinstance(rows[0], NumberExample):
        ridge = Ridge(alpha=1 / strength).fit(features, [row.number for row in rows])
        return lambda found: np.asarray(ridge.predict(found), np.float64).tolist()
    if isinstance(rows[0], LabelsExample):
        return _of_labels(features, rows, lambda: LogisticRegression(C=strength, max_iter=1000))
    one = LogisticRegression(C=strength, max_iter=1000).fit(features, [row.label for row in rows])
    return lambda found: one.predict(found).tolist()


def _of_labels(features: Any, rows: Sequence[LabelsExample], model: Callable[[], Any]) -> Predict:
    labels = label_order(label for row in rows for label in row.labels)
    models = []
    for target in indicators(rows, labels).T:  # a label that all rows have, or none, needs no model
        constant = len(set(target.tolist())) < 2
        models.append(20.0 * (2 * target[0] - 1) if constant else model().fit(features, target))

    def predict(found: Any) -> list[Any]:
        columns = [
            np.full(found.shape[0], one) if isinstance(one, float) else one.decision_function(found)
            for one in models
        ]
        return list(decode_sets(np.stack(columns, 1), labels))

    return predict
