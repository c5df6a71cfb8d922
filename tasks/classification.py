"""Classification: a text with one label out of a set. Accuracy and macro F1 are scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts import Metric, TextExample
from tasks.labelled_texts import LabelledTexts


class Classification(LabelledTexts):
    """Implements everything but `splits`. The label set is that of the training split, in the order of
    `label_order`."""

    adapter = "classification"
    metrics = (
        Metric("accuracy", "mean", ("correct",)),
        Metric("f1", "macro_f1"),
    )
    headline = "accuracy"

    def check(self, example: TextExample) -> str | None:
        from bench.data.texts import check_text

        return check_text(example)

    def labels(self, train: Sequence[TextExample]) -> tuple[str, ...]:
        from bench.data.texts import label_order

        return label_order(example.label for example in train)

    def score(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, float]:
        from bench.data.texts import score_labels

        return score_labels([example.label for example in examples], predictions)
