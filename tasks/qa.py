"""Question answering: a span of the context. Exact match and F1 follow the rules of SQuAD 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench.contracts import Metric, QuestionExample, Recipe, Task

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded


class QA(Task):
    """Implements everything but `splits`. Every question has an answer, as in SQuAD 1.1."""

    adapter = "qa"
    head = "span"
    metrics = (
        Metric("f1", "mean", ("overlap",)),
        Metric("accuracy", "mean", ("exact",)),
    )
    headline = "f1"

    def check(self, example: QuestionExample) -> str | None:
        if not example.question.strip():
            return "the question is empty"
        if not example.context.strip():
            return "the context is empty"
        if not example.answers:
            return "there is no answer"
        for text, start in example.answers:
            if not text.strip():
                return "an answer is empty"
            found = example.context[start : start + len(text)] if start >= 0 else ""
            if found != text:
                return f"answer '{text}' is not at character {start} of the context (there: '{found}')"
        return None

    def labels(self, train: Sequence[QuestionExample]) -> tuple[str, ...]:
        return ()

    def encode(
        self, examples: Sequence[QuestionExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.windows import encode_windows

        return encode_windows(examples, tokenizer, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[QuestionExample], labels: Sequence[str]
    ) -> list[str]:
        from bench.data.windows import decode_windows

        return decode_windows(logits, encoded, examples)

    def trivial(self, train: Sequence[QuestionExample], examples: Sequence[QuestionExample]) -> list[str]:
        """No answer."""
        return [""] * len(examples)

    def score(self, examples: Sequence[QuestionExample], predictions: Sequence[str]) -> dict[str, float]:
        columns = self.columns(examples, predictions)
        return {"f1": fmean(columns["overlap"]), "accuracy": fmean(columns["exact"])}

    def columns(
        self, examples: Sequence[QuestionExample], predictions: Sequence[str]
    ) -> dict[str, list[Any]]:
        """`reference` holds the distinct gold answers, joined by ` | `; `exact` is 0 or 1; `overlap` is the F1."""
        from bench.data.squad_metric import exact_match, overlap_f1

        golds = [[text for text, _ in example.answers] for example in examples]
        pairs = list(zip(predictions, golds, strict=True))
        return {
            "reference": [" | ".join(dict.fromkeys(texts)) for texts in golds],
            "prediction": list(predictions),
            "exact": [exact_match(prediction, texts) for prediction, texts in pairs],
            "overlap": [overlap_f1(prediction, texts) for prediction, texts in pairs],
        }
