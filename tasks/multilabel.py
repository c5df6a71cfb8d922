"""Several labels: a text, or a pair of texts, with any number of labels. One sigmoid a label; scores are
scikit-learn's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import LabelsExample, Metric, Recipe, Task

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded
    from bench.data.label_sets import LabelSet


class MultiLabel(Task):
    """Implements everything but `splits`. A label is predicted where its probability is above a threshold."""

    adapter = "multilabel"
    head = "pooled"
    metrics = (
        Metric("f1", "f1", ("tp", "predicted", "gold")),
        Metric("macro_f1", "sets_f1"),
        Metric("accuracy", "mean", ("correct",)),
        Metric("lrap", "mean", ("precision",)),
    )
    headline = "f1"

    def __init__(self, threshold: float | None = None) -> None:
        """threshold: above which a label is predicted; None: one half."""
        self._threshold = threshold

    @property
    def chosen(self) -> Mapping[str, float]:
        return {} if self._threshold is None else {"label_threshold": self._threshold}

    def fitted(
        self,
        logits: np.ndarray,
        encoded: Encoded,
        examples: Sequence[LabelsExample],
        labels: Sequence[str],
        recipe: Recipe,
    ) -> Task:
        """With `recipe.threshold = "validation"`, the threshold with the highest micro F1 on these rows."""
        from bench.data.label_sets import best_threshold
        from bench.data.sequences import pooled_windows

        if recipe.threshold == "half":
            return self
        rows = [example.labels for example in examples]
        return type(self)(best_threshold(rows, pooled_windows(logits, encoded), labels))

    def check(self, example: LabelsExample) -> str | None:
        from bench.data.label_sets import check_labels
        from bench.data.sequences import check_texts

        return check_texts(example) or check_labels(example.labels)

    def labels(self, train: Sequence[LabelsExample]) -> tuple[str, ...]:
        from bench.data.texts import label_order

        return label_order(label for example in train for label in example.labels)

    def encode(
        self, examples: Sequence[LabelsExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.label_sets import indicators
        from bench.data.sequences import encode_sequences

        return encode_sequences(examples, indicators(examples, labels), tokenizer, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[LabelsExample], labels: Sequence[str]
    ) -> list[LabelSet]:
        from bench.data.label_sets import decode_sets
        from bench.data.sequences import pooled_windows

        return decode_sets(pooled_windows(logits, encoded), labels, self._threshold or 0.5)

    def trivial(self, train: Sequence[LabelsExample], examples: Sequence[LabelsExample]) -> list[LabelSet]:
        """The labels that most training rows have, every label ranked by how many have it."""
        from bench.data.label_sets import frequent

        return [frequent(train, self.labels(train))] * len(examples)

    def score(self, examples: Sequence[LabelsExample], predictions: Sequence[LabelSet]) -> dict[str, float]:
        from bench.data.label_sets import score_sets

        return score_sets([example.labels for example in examples], predictions)

    def columns(
        self, examples: Sequence[LabelsExample], predictions: Sequence[LabelSet]
    ) -> dict[str, list[Any]]:
        from bench.data.label_sets import set_columns

        return set_columns([example.labels for example in examples], predictions)
