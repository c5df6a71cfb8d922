"""Tokenizers that read a word of a list as they read it in a text: with the blank before it.

Byte-level BPE, as of GPT-2 and RoBERTa, has one token for "Rome" after a blank and others for "Rome" at the start
of a text. Given a list of words it takes every word for a start, so that a sentence becomes tokens that the
encoder hardly ever saw. `for_words` asks the tokenizer to put the blank there, by the first way that works on
some sentences."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

PROBES = (("see", "the", "blue", "sky"), ("it's", "12", "(x)", "e.g."), ("Anna", "lives", "in", "Rome", "."))


@functools.lru_cache(maxsize=8)
def for_words(tokenizer: Any) -> Any:
    """The tokenizer itself where words are read as in a text; else a copy that is set to do so, if it can be."""
    if reads_words(tokenizer):
        return tokenizer
    for change in _CHANGES:
        twin = copy.deepcopy(tokenizer)
        change(twin)
        if reads_words(twin):
            return twin
    return tokenizer


@functools.lru_cache(maxsize=8)
def reads_words(tokenizer: Any) -> bool:
    """Whether lists of words give the tokens of the same words in a text."""
    return all(_as_words(tokenizer, words) == _as_text(tokenizer, words) for words in PROBES)


def sentences(tokenizer: Any, lists: Sequence[Sequence[str]]) -> list[list[str]]:
    """Lists of words for a tokenizer from `for_words`; where it cannot be set, words come with their blank."""
    if reads_words(tokenizer):
        return [list(words) for words in lists]
    return [[*words[:1], *(f" {word}" for word in words[1:])] for words in lists]


def _as_words(tokenizer: Any, words: Sequence[str]) -> list[int]:
    return tokenizer(list(words), is_split_into_words=True, add_special_tokens=False)["input_ids"]


def _as_text(tokenizer: Any, words: Sequence[str]) -> list[int]:
    return tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]


def _add_prefix_space(tokenizer: Any) -> None:
    """The option that byte-level tokenizers have for this; saved with them."""
    backend = tokenizer.backend_tokenizer
    if hasattr(backend.pre_tokenizer, "add_prefix_space"):
        pre = backend.pre_tokenizer
        pre.add_prefix_space = True
        backend.pre_tokenizer = pre
        tokenizer.init_kwargs["add_prefix_space"] = True
        tokenizer.add_prefix_space = True


def _prepend_always(tokenizer: Any) -> None:
    """The same of tokenizers that write blanks as a visible character."""
    backend = tokenizer.backend_tokenizer
    if hasattr(backend.pre_tokenizer, "prepend_scheme"):
        pre = backend.pre_tokenizer
        pre.prepend_scheme = "always"
        backend.pre_tokenizer = pre
        tokenizer.init_kwargs["add_prefix_space"] = True


def _prepend_blank(tokenizer: Any) -> None:
    """A blank before every word, first of all: for tokenizers that split words before they see bytes."""
    from tokenizers import normalizers

    backend = tokenizer.backend_tokenizer
    blank = normalizers.Prepend(" ")
    own = backend.normalizer
    backend.normalizer = normalizers.Sequence([blank, own]) if own else blank


_CHANGES: tuple[Callable[[Any], None], ...] = (_add_prefix_space, _prepend_always, _prepend_blank)
