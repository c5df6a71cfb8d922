"""Two small real tokenizers, and every kind of metric recomputed from prediction columns."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from bench.contracts import Metric

WORDS = ["the", "movie", "film", "was", "good", "bad", "ada", "lives", "in", "paris", "london", "un", "who"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'!?"


def build_wordpiece() -> PreTrainedTokenizerFast:
    """BERT's kind: sub-words, [CLS] and [SEP], accents stripped; token 2 is [CLS], 3 is [SEP]."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS, *(f"##{c}" for c in CHARACTERS), *WORDS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def build_wordlevel() -> PreTrainedTokenizerFast:
    """Static word vectors' kind: whole words, no special tokens; token 1 is [UNK]."""
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


@pytest.fixture(scope="session")
def wordpiece() -> PreTrainedTokenizerFast:
    return build_wordpiece()


@pytest.fixture(scope="session")
def wordlevel() -> PreTrainedTokenizerFast:
    return build_wordlevel()


@pytest.fixture(scope="session", params=["wordpiece", "wordlevel"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return request.getfixturevalue(request.param)


def recompute(metric: Metric, columns: dict[str, list[Any]]) -> float:
    """The metric from prediction columns, as the docstring of `Metric` says; 0 / 0 is 0."""
    values = [sum(columns[name]) for name in metric.columns if name in columns]
    if metric.kind == "mean":
        return values[0] / len(columns[metric.columns[0]])
    if metric.kind == "ratio":
        return values[0] / values[1] if values[1] else 0.0
    if metric.kind == "f1":
        return 2 * values[0] / (values[1] + values[2]) if values[1] + values[2] else 0.0
    pairs = list(zip(columns["reference"], columns["prediction"], strict=True))
    labels = {label for pair in pairs for label in pair}
    scores = {}
    for label in labels:
        both = sum(r == p == label for r, p in pairs)
        scores[label] = 2 * both / (sum(r == label for r, _ in pairs) + sum(p == label for _, p in pairs))
    if metric.kind == "class_f1":
        return scores.get(metric.columns[0], 0.0)
    return sum(scores.values()) / len(scores)
