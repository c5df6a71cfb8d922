"""Sentiment: a text and its polarity. Accuracy, macro F1 and the F1 of the positive class are scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts import BenchError, Metric, TextExample
from tasks.labelled_texts import LabelledTexts

POLARITIES = ("negative", "neutral", "positive")
"""The labels, in the order of the head's outputs; a data set may lack `neutral`."""


class Sentiment(LabelledTexts):
    """Implements everything but `splits`. Other labels (stars, emotions) are for `Classification`."""

    adapter = "sentiment"
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
        """The polarities of the training split. BenchError if `negative` or `positive` is missing."""
        found = {example.label for example in train}
        for polarity in ("negative", "positive"):
            if polarity not in found:
                raise BenchError(
                    f"no training example is '{polarity}': use more examples, or the adapter `classification`",
                    code="no-polarity",
                )
        return tuple(polarity for polarity in POLARITIES if polarity in found)

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
