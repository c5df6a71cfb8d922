"""Tokenizers that are set to read a word of a list as they read it in a text."""

from __future__ import annotations

from typing import Any

from bench.data.spaced import for_words, reads_words, sentences
from tests.support.tokenizers import gpt2, llama3, word_piece

WORDS = ["Anna", "lives", "in", "Rome"]


def as_words(tokenizer: Any, words: list[str]) -> list[int]:
    return tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]


def as_text(tokenizer: Any, words: list[str]) -> list[int]:
    return tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]


def test_a_tokenizer_that_reads_words_as_in_a_text_is_left_alone() -> None:
    tokenizer = word_piece()
    assert reads_words(tokenizer)
    assert for_words(tokenizer) is tokenizer
    assert sentences(tokenizer, [WORDS]) == [WORDS]


def test_a_tokenizer_that_is_not_set_is_given_the_blanks() -> None:
    tokenizer = gpt2()
    assert not reads_words(tokenizer)
    assert sentences(tokenizer, [WORDS, ["Rome"], []]) == [["Anna", " lives", " in", " Rome"], ["Rome"], []]


def test_byte_level_tokenizers_are_set_by_their_own_option() -> None:
    tokenizer = gpt2()
    twin = for_words(tokenizer)
    assert as_words(twin, WORDS) == as_text(twin, WORDS) == as_text(tokenizer, ["", *WORDS])
    assert twin.backend_tokenizer.pre_tokenizer.add_prefix_space is True
    assert twin.backend_tokenizer.normalizer is None
    assert (twin.add_prefix_space, twin.init_kwargs["add_prefix_space"]) == (True, True)
    assert tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space is False


def visible_blanks() -> Any:
    """Whole words with a visible blank, and none before the first word of a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from bench.data.spaced import PROBES

    words = sorted({word for probe in (*PROBES, WORDS) for word in probe})
    vocabulary = {text: number for number, text in enumerate(["?", *words, *(f"▁{word}" for word in words)])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?")


def test_tokenizers_with_visible_blanks_write_one_before_every_word() -> None:
    tokenizer = visible_blanks()
    assert not reads_words(tokenizer)
    twin = for_words(tokenizer)
    assert twin.convert_ids_to_tokens(as_words(twin, WORDS)) == [f"▁{word}" for word in WORDS]
    assert twin.init_kwargs["add_prefix_space"] is True


def test_a_blank_that_is_written_first_of_all_leaves_the_rest_of_the_normalizer() -> None:
    from tokenizers import normalizers

    tokenizer = llama3()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    twin = for_words(tokenizer)
    assert twin is not tokenizer
    lower = [word.lower() for word in WORDS]
    assert as_words(twin, WORDS) == as_text(twin, WORDS) == as_words(twin, lower)
    assert as_words(twin, WORDS) == as_text(tokenizer, ["", *lower])
