"""Texts at the limits of their sequences: the last length, stride and character that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.contracts import BenchError, Recipe, TextExample
from bench.data import sequences
from bench.data.cache import notices_to
from bench.data.encoding import Encoded
from bench.data.sequences import encode_sequences
from tests.tasks.conftest import WORDS, build_wordlevel, build_wordpiece

WORDPIECE, WORDLEVEL = build_wordpiece(), build_wordlevel()
RECIPE = Recipe(max_length=8, stride=0)


def encoded(tokenizer: Any, *texts: str, pair: str = "", **changes: Any) -> Encoded:
    rows = [TextExample(str(number), text, "x", pair=pair) for number, text in enumerate(texts)]
    return encode_sequences(rows, np.arange(len(rows)), tokenizer, replace(RECIPE, **changes))


@pytest.mark.parametrize(("tokenizer", "least"), [(WORDPIECE, 5), (WORDLEVEL, 2)], ids=["special", "plain"])
def test_a_pair_needs_one_token_of_each_text(tokenizer: Any, least: int) -> None:
    found = encoded(tokenizer, "good film", pair="bad movie", max_length=least)
    good, bad = tokenizer.convert_tokens_to_ids(["good", "bad"])
    assert [token for token in found.tokens.tolist() if token in (good, bad)] == [good, bad]
    with pytest.raises(BenchError, match=f"needs at least {least}") as error:
        encoded(tokenizer, "good film", pair="bad movie", max_length=least - 1)
    assert error.value.code == "too-small-max-length"


def test_windows_advance_by_at_least_one_token() -> None:
    """There is room for 6 tokens beside the special ones, so 10 take 5 windows one token apart."""
    text = " ".join(WORDS[:10])
    assert encoded(WORDPIECE, text, windows="mean", stride=5).example.tolist() == [0] * 5
    with pytest.raises(BenchError, match="it must be below 6") as error:
        encoded(WORDPIECE, text, windows="mean", stride=6)
    assert error.value.code == "too-large-stride"


@pytest.mark.parametrize(("length", "head"), [(9, 1), (10, 2), (13, 2), (14, 3), (42, 10)])
def test_a_quarter_of_the_room_is_for_the_head(length: int, head: int) -> None:
    words = [WORDS[number % len(WORDS)] for number in range(60)]
    found = encoded(WORDPIECE, " ".join(words), max_length=length, truncation="head+tail")
    kept = ["[CLS]", *words[:head], *words[head + 2 - length :], "[SEP]"]
    assert WORDPIECE.convert_ids_to_tokens(found.tokens.tolist()) == kept
    assert (len(kept), found.truncated) == (length, 1)


def test_a_text_that_just_fits_is_not_cut() -> None:
    text = " ".join(WORDS[:6])
    found = encoded(WORDPIECE, text, f"{text} un", truncation="head+tail")
    assert (found.lengths.tolist(), found.truncated) == ([8, 8], 1)
    assert WORDPIECE.convert_ids_to_tokens(found.tokens[:8].tolist()) == ["[CLS]", *WORDS[:6], "[SEP]"]


@pytest.mark.parametrize("changes", [{}, {"windows": "mean"}, {"truncation": "head+tail"}], ids=str)
def test_a_text_without_a_token_is_of_the_first_segment(changes: dict[str, str]) -> None:
    found = encoded(WORDLEVEL, "", "good", **changes)
    assert found.segments.tolist() == [0, 0]


@pytest.mark.parametrize(("length", "said"), [(10, 0), (11, 1)])
def test_only_texts_beyond_the_limit_are_said_to_be_cut(
    length: int, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "CHARACTERS", 10)
    heard: list[str] = []
    with notices_to(heard.append):
        encoded(WORDLEVEL, "x" * length, "good")
        encoded(WORDLEVEL, "good", pair="x" * length)
    assert heard == ["1 texts have more than 10 characters and are cut there"] * 2 * said


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"windows": "max"}, "windows"),
        ({"truncation": "head+tail"}, "truncation"),
    ],
)
def test_what_pairs_refuse_is_named(changes: dict[str, str], key: str) -> None:
    with pytest.raises(BenchError, match=f"recipe.{key} is for single texts") as error:
        encoded(WORDPIECE, "good", pair="bad", **changes)
    assert error.value.code == "pairs"
