"""Tagged words: which token carries which tag, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from bench.contracts import BenchError, Recipe, WordsExample
from bench.data.encoding import IGNORED
from bench.data.words import decode_words, encode_words
from tests.tasks.conftest import build_wordlevel, build_wordpiece

TAGS = ("O", "B-X", "B-Y")


def test_the_first_sub_word_of_a_word_carries_its_tag() -> None:
    """[CLS] good x ##1 bad [SEP] [CLS] un ##x [SEP]"""
    rows = [
        WordsExample("0", ("good", "x1", "bad"), ("B-X", "B-Y", "O")),
        WordsExample("1", ("unx",), ("B-Y",)),
    ]
    found = encode_words(rows, build_wordpiece(), TAGS, Recipe(max_length=9, stride=0))
    assert found.words is not None
    assert found.offsets.tolist() == [0, 6, 10]
    assert found.words.tolist() == [-1, 0, 1, -1, 2, -1, -1, 0, -1, -1]
    assert found.targets.tolist() == [IGNORED, 1, 2, IGNORED, 0, IGNORED, IGNORED, 2, IGNORED, IGNORED]


def test_sentences_of_one_word_each_keep_their_tags() -> None:
    rows = [WordsExample(str(n), ("good",), (tag,)) for n, tag in enumerate(("B-X", "O", "B-Y"))]
    found = encode_words(rows, build_wordlevel(), TAGS, Recipe(max_length=9, stride=0))
    assert found.words is not None
    assert (found.words.tolist(), found.targets.tolist()) == ([0, 0, 0], [1, 0, 2])
    logits = np.eye(3, dtype=np.float32)[found.targets]
    assert decode_words(logits, found, rows, TAGS) == [["B-X"], ["O"], ["B-Y"]]


def test_a_sentence_without_a_token_has_neither_word_nor_target() -> None:
    found = encode_words(
        [WordsExample("0", (" ",), ("B-X",))], build_wordlevel(), TAGS, Recipe(max_length=9, stride=0)
    )
    assert found.words is not None
    assert (found.words.tolist(), found.targets.tolist(), found.segments.tolist()) == ([-1], [IGNORED], [0])


def test_a_length_without_room_for_a_word_is_refused() -> None:
    row = WordsExample("0", ("good",), ("O",))
    assert encode_words([row], build_wordpiece(), TAGS, Recipe(max_length=3, stride=0)).lengths.tolist() == [
        3
    ]
    with pytest.raises(BenchError) as error:
        encode_words([row], build_wordpiece(), TAGS, Recipe(max_length=2, stride=0))
    assert error.value.code == "too-small-max-length"
