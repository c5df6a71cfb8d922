"""Named entities: words with IOB2 tags. Entity F1, precision and recall follow conlleval, through seqeval.

The rule of conlleval, the script of the CoNLL shared tasks (Tjong Kim Sang and Buchholz 2000), is seqeval's default
mode and what published tables hold: an entity is right if its words and its type are. A predicted I- that continues
no entity of its type starts one. `f1_strict` is the other rule (seqeval `mode="strict", scheme=IOB2`), under which
such an I- is no entity. It scores higher, since many of these predictions are wrong.
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
        Metric("f1_strict", "f1", ("strict_tp", "strict_predicted", "gold")),
    )
    headline = "f1"
    scorer = "conlleval"

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
        """Sums of the columns: entities are counted once, for the scores and for the prediction file."""
        columns = self.columns(examples, predictions)
        total = {name: sum(columns[name]) for metric in self.metrics for name in metric.columns}

        def share(part: float, whole: float) -> float:
            return part / whole if whole else 0.0

        return {
            "f1": share(2 * total["tp"], total["predicted"] + total["gold"]),
            "precision": share(total["tp"], total["predicted"]),
            "recall": share(total["tp"], total["gold"]),
            "accuracy": share(total["correct"], total["tokens"]),
            "f1_strict": share(2 * total["strict_tp"], total["strict_predicted"] + total["gold"]),
        }

    def columns(
        self, examples: Sequence[WordsExample], predictions: Sequence[Sequence[str]]
    ) -> dict[str, list[Any]]:
        """The tags, separated by spaces; counts of entities (`tp`, `predicted`, `gold`, and `strict_tp`,
        `strict_predicted` by the strict rule) and of words (`correct`, `tokens`)."""
        from seqeval.metrics.sequence_labeling import get_entities
        from seqeval.scheme import IOB2, Entities

        gold = [list(example.tags) for example in examples]
        tags = [list(prediction) for prediction in predictions]
        wanted = [set(get_entities(sentence)) for sentence in gold]
        found = [set(get_entities(sentence)) for sentence in tags]
        strict = [
            {(entity.tag, entity.start, entity.end - 1) for entity in entities}
            for entities in Entities(tags, scheme=IOB2).entities
        ]
        return {
            "reference": [" ".join(sentence) for sentence in gold],
            "prediction": [" ".join(sentence) for sentence in tags],
            "tp": _shared(wanted, found),
            "predicted": [len(f) for f in found],
            "gold": [len(w) for w in wanted],
            "strict_tp": _shared(wanted, strict),
            "strict_predicted": [len(s) for s in strict],
            "correct": [
                sum(a == b for a, b in zip(g, t, strict=True)) for g, t in zip(gold, tags, strict=True)
            ],
            "tokens": [len(sentence) for sentence in gold],
        }


def _shared(wanted: Sequence[set[Any]], found: Sequence[set[Any]]) -> list[int]:
    """How many entities two readings of each sentence share."""
    return [len(w & f) for w, f in zip(wanted, found, strict=True)]
