"""Pairs of texts: how they are encoded, and what word vectors make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Recipe, Splits, TextExample
from bench.data.rows import cached_splits
from bench.data.splits import content, fingerprint
from bench.models.vector_backbone import StaticVectors
from tasks.classification import Classification

RECIPE = Recipe(max_length=8, stride=0)


class Pairs(Classification):
    name = "pairs"
    summary = "Pairs of short texts"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Pairs()


def pair(first: str, second: str) -> TextExample:
    return TextExample("0", first, "x", pair=second)


def encoded(tokenizer, *examples):
    return TASK.encode(list(examples), tokenizer, ("x",), RECIPE)


def test_a_pair_is_one_sequence_whose_segments_tell_the_texts_apart(wordpiece):
    found = encoded(wordpiece, pair("the movie", "was good"))
    words = ["[CLS]", "the", "movie", "[SEP]", "was", "good", "[SEP]"]
    assert found.tokens.tolist() == wordpiece.convert_tokens_to_ids(words)
    assert found.segments.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(9, 1, (4, 1)), (1, 9, (1, 4)), (9, 9, (3, 2)), (4, 2, (3, 2)), (3, 2, (3, 2))],
)
def test_the_longer_text_loses_its_end_first(wordpiece, first, second, kept):
    found = encoded(wordpiece, pair("good " * first, "bad " * second))
    good, bad = (wordpiece.convert_tokens_to_ids(word) for word in ("good", "bad"))
    counts = ((found.tokens == good).sum(), (found.tokens == bad).sum())
    assert counts == kept or (first == second and sum(counts) == 5)
    assert found.truncated == (first + second > 5)


def test_word_vectors_know_the_texts_apart_without_special_tokens(wordlevel):
    found = encoded(wordlevel, pair("the movie", "was good"))
    assert found.segments.tolist() == [0, 0, 1, 1]


def test_word_vectors_give_the_comparison_of_both_means():
    backbone = StaticVectors(torch.randn(10, 3))
    backbone.read_pairs()
    tokens = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    segments = torch.tensor([[0, 0, 1, 0], [0, 1, 1, 1]])
    found = backbone.run(tokens, mask, segments)
    table = backbone.table.weight
    for row, (first, second) in enumerate((((1, 2), (3,)), ((4,), (5, 6, 7)))):
        u, v = table[list(first)].mean(0), table[list(second)].mean(0)
        wanted = torch.cat([u, v, (u - v).abs(), u * v])
        assert torch.allclose(found[row], wanted.expand(4, -1), atol=1e-6)
    assert backbone.output_width == 12


def test_the_second_text_is_content_and_counts_in_the_fingerprint():
    one, two = pair("a", "b"), pair("a", "c")
    assert content(one) != content(two)
    assert fingerprint([one]) != fingerprint([two])
    assert content(TextExample("0", "a", "x")) == "a"


def test_a_blank_second_text_is_refused():
    assert TASK.check(pair("a", " ")) == "the second text is empty"


def test_cached_rows_keep_the_second_text(tmp_path):
    rows = [pair("a", "b")]
    for _ in range(2):
        found = cached_splits("pairs", 1, lambda: Splits(rows, rows, rows), tmp_path)
        assert list(found.train) == rows


def test_a_batch_encodes_like_its_pairs_alone(tokenizer):
    examples = [
        pair("the good film", "was bad"),
        pair("good", "the movie was good"),
        pair("in paris", "ada lives"),
    ]
    alone = np.concatenate([encoded(tokenizer, example).tokens for example in examples])
    assert np.array_equal(encoded(tokenizer, *examples).tokens, alone)
