"""Sentiment: a text and its polarity; accuracy, macro F1, and F1 of the positive class by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Metric, Recipe, Task, TextExample

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded

POLARITIES = ("negative", "neutral", "positive")
"""The labels, in the order of the head's outputs; a data set may do without `neutral`."""


class Sentiment(Task):
    """Implements everything but `splits`. For other labels (stars, emotions) use `classification`."""

    adapter = "sentiment"
    head = "pooled"
    metrics = (
        Metric("accuracy", "mean", ("correct",)),
        Metric("f1", "macro_f1"),
        Metric("f1_positive", "class_f1", ("positive",)),
    )
    headline = "accuracy"

    def check(self, example: TextExample) -> str | None:
        from bench.data.texts import check_text

        if example.label and example.label not in POLARITIES:
            return f"label '{example.label}' is not a polarity ({', '.join(POLARITIES)})"
        return check_text(example)

    def labels(self, train: Sequence[TextExample]) -> tuple[str, ...]:
        """The polarities of the training split; BenchError where `negative` or `positive` is missing."""
        found = {example.label for example in train}
        for polarity in ("negative", "positive"):
            if polarity not in found:
                raise BenchError(
                    f"no training example is '{polarity}': take more examples, or use `classification`"
                )
        return tuple(polarity for polarity in POLARITIES if polarity in found)

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
        from sklearn.metrics import f1_score

        from bench.data.texts import score_labels

        references = [example.label for example in examples]
        positive = f1_score(
            references,
            predictions,
            labels=["positive"],
            average="macro",
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )
        return {**score_labels(references, predictions), "f1_positive": float(positive)}

    def columns(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, list[Any]]:
        from bench.data.texts import label_columns

        return label_columns([example.label for example in examples], predictions)
