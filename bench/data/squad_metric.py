"""Exact match and F1 of answers by the rules of SQuAD 1.1, and of SQuAD 2.0.

The rules of 1.1 are those of the official script, evaluate-v1.1.py (Rajpurkar et al. 2016, arXiv 1606.05250):
answers are compared without case, ASCII punctuation, English articles and extra white space, and a
prediction gets the best of its scores against all gold answers.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """`text` in lower case, without punctuation, then without articles, words one space apart."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Iterable[str]) -> int:
    """1 where the prediction equals one of the gold answers after normalisation, else 0."""
    return int(normalise(prediction) in {normalise(gold) for gold in golds})


def overlap_f1(prediction: str, golds: Iterable[str]) -> float:
    """The best F1 of the prediction's words, as a bag, against a gold answer's; in [0, 1].

    0 where no word is shared, also where both have no words left (version 1.1; version 2.0 says 1)."""
    words = normalise(prediction).split()
    return max(_bag_f1(words, normalise(gold).split()) for gold in golds)


def _bag_f1(words: list[str], gold: list[str]) -> float:
    shared = (Counter(words) & Counter(gold)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(words), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def exact_match_or_none(prediction: str, golds: Iterable[str]) -> int:
    """`exact_match` by the rules of SQuAD 2.0 (evaluate-v2.0.py; Rajpurkar et al. 2018, arXiv 1806.03822): gold
    answers without a word do not count, and where none is left the right answer is none."""
    return exact_match(prediction, _worded(golds))


def overlap_f1_or_none(prediction: str, golds: Iterable[str]) -> float:
    """`overlap_f1` by the rules of SQuAD 2.0: where prediction or gold has no words, 1 if neither has any, else
    0."""
    words = normalise(prediction).split()
    scores = []
    for gold in _worded(golds):
        wanted = normalise(gold).split()
        scores.append(_bag_f1(words, wanted) if words and wanted else float(words == wanted))
    return max(scores)


def _worded(golds: Iterable[str]) -> list[str]:
    return [gold for gold in golds if normalise(gold)] or [""]
