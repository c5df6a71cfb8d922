"""Questions that the context may not answer. Exact match and F1 follow the rules of SQuAD 2.0.

A question gets no answer where the null score, that of the first token, is above the best span's by more than a
threshold, which is chosen on the validation rows by the same rule for all strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts import Metric, QuestionExample, Recipe, Task
from tasks.qa import QA

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded


class UnanswerableQA(QA):
    """Implements everything but `splits`. Some questions have no answer."""

    adapter = "unanswerable"
    metrics = (
        *QA.metrics,
        Metric("has_answer_f1", "ratio", ("has_overlap", "answerable")),
        Metric("has_answer_exact", "ratio", ("has_exact", "answerable")),
        Metric("no_answer", "ratio", ("none_right", "unanswerable")),
    )

    def __init__(self, threshold: float | None = None) -> None:
        """threshold: of the null score; None: not chosen yet, so zero."""
        self._threshold = threshold

    @property
    def chosen(self) -> Mapping[str, float]:
        return {} if self._threshold is None else {"null_threshold": self._threshold}

    def check(self, example: QuestionExample) -> str | None:
        problem = super().check(example)
        return None if problem == "there is no answer" else problem

    def fitted(
        self,
        logits: np.ndarray,
        encoded: Encoded,
        examples: Sequence[QuestionExample],
        labels: Sequence[str],
        recipe: Recipe,
    ) -> Task:
        from bench.data.null_answers import best_threshold
        from bench.data.windows import null_margins

        return type(self)(best_threshold(examples, *null_margins(logits, encoded, examples)))

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[QuestionExample], labels: Sequence[str]
    ) -> list[str]:
        from bench.data.null_answers import answered
        from bench.data.windows import null_margins

        return answered(*null_margins(logits, encoded, examples), self._threshold or 0.0)

    def score(self, examples: Sequence[QuestionExample], predictions: Sequence[str]) -> dict[str, float]:
        from bench.data.null_answers import answer_scores

        return answer_scores(self.columns(examples, predictions))

    def columns(
        self, examples: Sequence[QuestionExample], predictions: Sequence[str]
    ) -> dict[str, list[Any]]:
        from bench.data.null_answers import answer_columns

        return answer_columns(examples, predictions)
