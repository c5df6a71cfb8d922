"""Regression: a text, or a pair of texts, and a number. Spearman's and Pearson's correlation are scipy's.

The head learns numbers that are standardised by mean and standard deviation of the training rows, so that learning
rates mean the same as elsewhere; predictions and errors are in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench.contracts import Metric, NumberExample, Recipe, Task

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded


class Regression(Task):
    """Implements everything but `splits`."""

    adapter = "regression"
    head = "pooled"
    metrics = (
        Metric("spearman", "spearman", ("gold", "predicted")),
        Metric("pearson", "pearson", ("gold", "predicted")),
        Metric("mae", "error", ("error",)),
    )
    headline = "spearman"

    def check(self, example: NumberExample) -> str | None:
        from bench.data.numbers import check_number
        from bench.data.sequences import check_texts

        return check_texts(example) or check_number(example)

    def labels(self, train: Sequence[NumberExample]) -> tuple[str, ...]:
        from bench.data.numbers import scale_name

        return (scale_name(train),)

    def encode(
        self, examples: Sequence[NumberExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        from bench.data.numbers import standardised
        from bench.data.sequences import encode_sequences

        return encode_sequences(examples, standardised(examples, labels), tokenizer, recipe)

    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[NumberExample], labels: Sequence[str]
    ) -> list[float]:
        from bench.data.numbers import decode_numbers
        from bench.data.sequences import pooled_windows

        return decode_numbers(pooled_windows(logits, encoded), labels)

    def trivial(self, train: Sequence[NumberExample], examples: Sequence[NumberExample]) -> list[float]:
        """The mean of the training rows."""
        return [fmean(example.number for example in train)] * len(examples)

    def score(self, examples: Sequence[NumberExample], predictions: Sequence[float]) -> dict[str, float]:
        from bench.data.numbers import correlations

        return correlations([example.number for example in examples], predictions)

    def columns(
        self, examples: Sequence[NumberExample], predictions: Sequence[float]
    ) -> dict[str, list[Any]]:
        from bench.data.numbers import number_columns

        return number_columns([example.number for example in examples], predictions)
