"""A prompt before every text, and texts in lower case, whatever else a tokenizer does to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.data.prompts import lower, with_prompt
from tests.support.tokenizers import gpt2, unigram, word_piece


def ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text)["input_ids"]


@pytest.mark.parametrize("made", [gpt2, unigram, word_piece], ids=["none of its own", "NFKC", "BERT's"])
def test_a_prompt_is_read_as_if_it_stood_in_the_text(made: Callable[[], Any]) -> None:
    tokenizer = made()
    before = ids(tokenizer, "In Rome")
    twin = with_prompt(tokenizer, "see: ")
    assert ids(twin, "Ｒome") == ids(tokenizer, "see: Ｒome")
    assert ids(tokenizer, "In Rome") == before != ids(twin, "In Rome")


@pytest.mark.parametrize("made", [gpt2, unigram], ids=["none of its own", "NFKC"])
def test_lower_case_comes_before_what_else_is_done(made: Callable[[], Any]) -> None:
    tokenizer = made()
    expected = ids(tokenizer, "ｒome")
    assert ids(tokenizer, "Ｒome") != expected
    lower(tokenizer)
    assert ids(tokenizer, "Ｒome") == expected
