"""Named entities: words with IOB2 tags. Entity F1, precision and recall are seqeval's, in strict mode.

Strict IOB2 (Tjong Kim Sang and Sang-Kim 2000; seqeval `mode="strict", scheme=IOB2`): an entity is a B- and
the I- of its type that follow. It counts if both its words and its type are right. A predicted I- that
continues nothing is no entity.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import Metric, Recipe, Task, WordsExample

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded

_TAG = re.compile(r"O|[BI]-[^\s-](\S*[^\s-])?")


class NER(Task):
    """Implements everything but `splits`. Every entity type of a test set must occur in training."""

    adapter = "ner"
    head = "token"
    metrics = (
        Metric("f1", "f1", ("tp", "predicted", "gold")),
        Metric("precision", "ratio", ("tp", "predicted")),
        Metric("recall", "ratio", ("tp", "gold")),
        Metric("accuracy", "ratio", ("correct", "tokens")),
    )
    headline = "f1"

    def check(self, example: WordsExample) -> str | None:
        if not example.words:
            return "the sentence has no words"
        if len(example.words) != len(example.tags):
            return f"{len(example.words)} words but {len(example.tags)} tags"
        if not all(word.strip() for word in example.words):
            return "a word is empty"
        before = "O"
        for number, tag in enumerate(example.tags, 1):
            if not _TAG.fullmatch(tag):
                return f"tag {number} is '{tag}'; a tag is O, B-TYPE or I-TYPE"
            if tag[0] == "I" and before[1:] != tag[1:]:
                return f"tag {number} is '{tag}' after '{before}'; in IOB2 an entity starts with B-{tag[2:]}"
            before = tag
        return None

    def labels(self, train: Sequence[WordsExample]) -> tuple[str, ...]:
        """O, then B- and I- of every entity type of the training split, sorted."""
        types = {tag[2:] for example in train for tag in example.tags if tag != "O"}
        return ("O", *sorted(f"{prefix}-{kind}" for prefix in "BI" for kind in types))

    def encode(
        self, examples: Sequence[WordsExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.words import encode_words

        return encode_words(examples, tokenizer, labels, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[WordsExample], labels: Sequence[str]
    ) -> list[list[str]]:
        from bench.data.words import decode_words

        return decode_words(logits, encoded, examples, labels)

    def trivial(self, train: Sequence[WordsExample], examples: Sequence[WordsExample]) -> list[list[str]]:
        """No entity."""
        return [["O"] * len(example.words) for example in examples]

    def score(
        self, examples: Sequence[WordsExample], predictions: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        from seqeval.metrics import accuracy_score
        from seqeval.metrics.v1 import precision_recall_fscore_support
        from seqeval.scheme import IOB2

        gold = [list(example.tags) for example in examples]
        tags = [list(prediction) for prediction in predictions]
        scores: Any = precision_recall_fscore_support(
            gold,
            tags,
            average="micro",
            scheme=IOB2,
            zero_division=0,  # pyright: ignore[reportArgumentType]
        )
        precision, recall, f1, _ = scores
        return {
            "f1": float(f1),
            "precision": float(precision),
            "recall": float(recall),
            "accuracy": float(accuracy_score(gold, tags)),
        }

    def columns(
        self, examples: Sequence[WordsExample], predictions: Sequence[Sequence[str]]
    ) -> dict[str, list[Any]]:
        """The tags, separated by spaces; counts of entities (`tp`, `predicted`, `gold`) and of words (`correct`,
        `tokens`)."""
        from seqeval.scheme import IOB2, Entities

        gold = [list(example.tags) for example in examples]
        tags = [list(prediction) for prediction in predictions]
        wanted = [set(entities) for entities in Entities(gold, scheme=IOB2).entities]
        found = [set(entities) for entities in Entities(tags, scheme=IOB2).entities]
        return {
            "reference": [" ".join(sentence) for sentence in gold],
            "prediction": [" ".join(sentence) for sentence in tags],
            "tp": [len(w & f) for w, f in zip(wanted, found, strict=True)],
            "predicted": [len(f) for f in found],
            "gold": [len(w) for w in wanted],
            "correct": [
                sum(a == b for a, b in zip(g, t, strict=True)) for g, t in zip(gold, tags, strict=True)
            ],
            "tokens": [len(sentence) for sentence in gold],
        }
