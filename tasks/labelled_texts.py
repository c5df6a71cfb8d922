"""What all tasks of labelled texts share: a text becomes tokens, and logits become a label."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import Recipe, Task, TextExample

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded


class LabelledTexts(Task, ABC):
    """Implements what does not depend on the label set: encoding, decoding, the trivial prediction."""

    head = "pooled"

    def encode(
        self, examples: Sequence[TextExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.texts import encode_texts

        return encode_texts(examples, tokenizer, labels, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[TextExample], labels: Sequence[str]
    ) -> list[str]:
        from bench.data.sequences import pooled_windows
        from bench.data.texts import decode_labels

        return decode_labels(pooled_windows(logits, encoded), labels)

    def trivial(self, train: Sequence[TextExample], examples: Sequence[TextExample]) -> list[str]:
        """The majority label of the training split."""
        from bench.data.texts import majority_label

        return [majority_label(train)] * len(examples)

    def columns(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, list[Any]]:
        from bench.data.texts import label_columns

        return label_columns([example.label for example in examples], predictions)
