"""Classification: a text, one label of a set; accuracy and macro F1 by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import Metric, Recipe, Task, TextExample

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded


class Classification(Task):
    """Implements everything but `splits`. The label set is that of the training split, sorted."""

    adapter = "classification"
    head = "pooled"
    metrics = (
        Metric("accuracy", "mean", ("correct",)),
        Metric("f1", "macro_f1"),
    )
    headline = "accuracy"

    def check(self, example: TextExample) -> str | None:
        from bench.data.texts import check_text

        return check_text(example)

    def labels(self, train: Sequence[TextExample]) -> tuple[str, ...]:
        return tuple(sorted({example.label for example in train}))

    def encode(
        self, examples: Sequence[TextExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.texts import encode_texts

        return encode_texts(examples, tokenizer, labels, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[TextExample], labels: Sequence[str]
    ) -> list[str]:
        from bench.data.texts import decode_labels

        return decode_labels(logits, labels)

    def trivial(self, train: Sequence[TextExample], examples: Sequence[TextExample]) -> list[str]:
        from bench.data.texts import commonest_label

        return [commonest_label(train)] * len(examples)

    def score(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, float]:
        from bench.data.texts import score_labels

        return score_labels([example.label for example in examples], predictions)

    def columns(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, list[Any]]:
        from bench.data.texts import label_columns

        return label_columns([example.label for example in examples], predictions)
