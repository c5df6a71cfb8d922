"""Questions that their context may not answer: the threshold of the null score, and scores by the rules of SQuAD
2.0."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from bench.contracts import QuestionExample
from bench.data.squad_metric import exact_match_or_none, overlap_f1_or_none


def answered(answers: Sequence[str], margins: np.ndarray, threshold: float) -> list[str]:
    """The answers; '' where the null score is more than `threshold` above the answer's."""
    return ["" if margin > threshold else answer for answer, margin in zip(answers, margins, strict=True)]


def best_threshold(examples: Sequence[QuestionExample], answers: Sequence[str], margins: np.ndarray) -> float:
    """The threshold with the highest F1 on these examples, as `find_best_thresh` of evaluate-v2.0.py has it:
    questions are answered in the order of their margins, and the first best place to stop is taken."""
    golds = [[text for text, _ in example.answers] for example in examples]
    gains = [
        overlap_f1_or_none(answer, texts) - overlap_f1_or_none("", texts)
        for answer, texts in zip(answers, golds, strict=True)
    ]
    order = np.argsort(margins, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(np.array(gains)[order])])
    ordered = margins[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)  # equal margins are answered together
    stops = np.concatenate([[0], 1 + np.flatnonzero(ends)])
    stop = int(stops[total[stops].argmax()])
    chosen = ordered[stop - 1] if stop else np.nextafter(ordered[0], -np.inf)
    return float(np.clip(chosen, -1e9, 1e9))  # the margin of a context without a token is infinite


def answer_columns(examples: Sequence[QuestionExample], predictions: Sequence[str]) -> dict[str, list[Any]]:
    """`reference` holds the distinct gold answers, joined by ` | `, '' where there is none; `exact` and `overlap`
    (F1) of all questions; `answerable`, and both scores of those; `unanswerable`, and whether no answer was given
    to those."""
    golds = [[text for text, _ in example.answers] for example in examples]
    pairs = list(zip(predictions, golds, strict=True))
    exact = [exact_match_or_none(prediction, texts) for prediction, texts in pairs]
    overlap = [overlap_f1_or_none(prediction, texts) for prediction, texts in pairs]
    has = [int(bool(texts)) for texts in golds]
    return {
        "reference": [" | ".join(dict.fromkeys(texts)) for texts in golds],
        "prediction": list(predictions),
        "exact": exact,
        "overlap": overlap,
        "answerable": has,
        "has_exact": [a * b for a, b in zip(exact, has, strict=True)],
        "has_overlap": [a * b for a, b in zip(overlap, has, strict=True)],
        "unanswerable": [1 - b for b in has],
        "none_right": [a * (1 - b) for a, b in zip(exact, has, strict=True)],
    }


def answer_scores(columns: dict[str, list[Any]]) -> dict[str, float]:
    """`f1` and exact match (`accuracy`) of all questions; both of those with an answer, and the share of those
    without one that got none; 0 where there is no such question."""

    def share(right: str, of: str) -> float:
        return sum(columns[right]) / total if (total := sum(columns[of])) else 0.0

    return {
        "f1": fmean(columns["overlap"]),
        "accuracy": fmean(columns["exact"]),
        "has_answer_f1": share("has_overlap", "answerable"),
        "has_answer_exact": share("has_exact", "answerable"),
        "no_answer": share("none_right", "unanswerable"),
    }
