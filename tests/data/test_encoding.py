"""What all encodings share: room for text, tokens of texts that have none, positions of labels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bench.contracts import BenchError
from bench.data.encoding import IGNORED, column, filler, label_index, offsets_of, text_room
from tests.tasks.conftest import build_wordlevel, build_wordpiece


def test_torch_ignores_the_same_target() -> None:
    assert torch.nn.CrossEntropyLoss().ignore_index == IGNORED


@pytest.mark.parametrize(("texts", "least"), [(1, 3), (2, 5)], ids=["[CLS] x [SEP]", "[CLS] x [SEP] y [SEP]"])
def test_the_shortest_sequence_has_one_token_of_each_text(texts: int, least: int) -> None:
    tokenizer = build_wordpiece()
    assert text_room(tokenizer, least, texts) == texts
    assert text_room(tokenizer, 20, texts) == 20 - least + texts
    with pytest.raises(BenchError, match=f"needs at least {least}") as error:
        text_room(tokenizer, least - 1, texts)
    assert error.value.code == "too-small-max-length"


def test_the_room_is_of_one_text_where_nothing_else_is_said() -> None:
    assert text_room(build_wordpiece(), 20) == 18
    assert text_room(build_wordlevel(), 1) == 1


@pytest.mark.parametrize(
    ("unknown", "padding", "token"), [(5, 7, 5), (0, 7, 0), (None, 7, 7), (None, None, 0)]
)
def test_a_text_without_a_token_is_unknown_else_padding(
    unknown: int | None, padding: int | None, token: int
) -> None:
    assert filler(SimpleNamespace(unk_token_id=unknown, pad_token_id=padding)) == token


def test_columns_and_offsets_count_an_empty_sequence_as_one_token() -> None:
    encodings = [
        SimpleNamespace(word_ids=[None, 0, 3]),
        SimpleNamespace(word_ids=[]),
        SimpleNamespace(word_ids=[2]),
    ]
    assert column(encodings, "word_ids", 9).tolist() == [-1, 0, 3, 9, 2]
    assert offsets_of([[4, 5, 6], [], [7]]).tolist() == [0, 3, 4, 5]


def test_a_label_that_is_like_no_other_has_no_suggestion() -> None:
    assert label_index("xyz", ["b", "a", "b"], ["a", "b"]).tolist() == [1, 0, 1]
    with pytest.raises(BenchError, match=r"example 'y': label '7' is not .* \(labels: a, b\)$") as error:
        label_index("xy", ["b", "7"], ["a", "b"])
    assert error.value.code == "unknown-label"
