"""An encoded split: flat arrays with offsets, never one object an example."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any

import numpy as np

from bench.contracts import BenchError

IGNORED = -100
"""The target of a token that takes no part in the loss (torch's default `ignore_index`)."""


@dataclass(frozen=True)
class Encoded:
    """Token sequences, one after another; sequence i is tokens[offsets[i]:offsets[i + 1]].

    tokens: int32 [T] token ids. offsets: int64 [N + 1]. segments: int8 [T], 0 or 1 (token types).
    example: int32 [N], the index of the example that each sequence comes from (windows share one).
    targets: int64; pooled [N]; token [T], IGNORED except on first sub-words; span [N, 2], the first and
        last token of the answer, counted from the start of the sequence; the window's first token,
        twice, where the answer is not in the window.
    words: int32 [T], for ner: the index of the word whose first sub-word this is, else -1.
    spans: int32 [T, 2], for qa: first and one-past-last character in the context, (-1, -1) elsewhere.
    truncated: how many sequences were cut at the length limit and lost tokens by it.
    pooled: how the logits of the windows of one text become one row, `mean` or `max`; '' where a text is a
    sequence.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    segments: np.ndarray
    example: np.ndarray
    targets: np.ndarray
    words: np.ndarray | None = None
    spans: np.ndarray | None = None
    truncated: int = 0
    pooled: str = ""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, int64 [N]."""
        return np.diff(self.offsets)


def tokenise(tokenizer: Any, *texts: list[Any], **options: Any) -> Any:
    """The tokenizer's batch of one or two lists of texts, by its fast backend, in one call.

    BenchError where the tokenizer has no fast backend: offsets and word indices come from it."""
    if not getattr(tokenizer, "is_fast", False):
        raise BenchError(
            f"{type(tokenizer).__name__} has no fast backend: use a tokenizer that saves a tokenizer.json",
            code="slow-tokenizer",
        )
    return tokenizer(*texts, return_attention_mask=False, verbose=False, **options)


def text_room(tokenizer: Any, max_length: int, texts: int = 1) -> int:
    """Tokens left for text in a sequence of `texts` texts (1 or 2), after special tokens.

    BenchError where not one token is left for each text."""
    special = tokenizer.num_special_tokens_to_add(pair=texts == 2)
    if max_length - special < texts:
        raise BenchError(
            f"recipe.max_length is {max_length}; this tokenizer needs at least {special + texts}",
            code="too-small-max-length",
        )
    return max_length - special


def filler(tokenizer: Any) -> int:
    """The token of a text that has none (an empty text, and no special tokens): unknown, else padding."""
    for token in (tokenizer.unk_token_id, tokenizer.pad_token_id):
        if token is not None:
            return token
    return 0


def column(encodings: Sequence[Any], name: str, fill: int) -> np.ndarray:
    """Attribute `name` of the encodings' tokens, end to end; int32 [T].

    -1 for None (a special token has no word and no sequence); an encoding without tokens counts as one
    token of value `fill`."""
    rows = (getattr(encoding, name) or (fill,) for encoding in encodings)
    return np.fromiter((-1 if value is None else value for value in chain.from_iterable(rows)), np.int32)


def offsets_of(encodings: Sequence[Any]) -> np.ndarray:
    """Where each sequence starts, and the end of the last; int64 [N + 1]. No sequence is empty."""
    lengths = np.fromiter((max(len(encoding), 1) for encoding in encodings), np.int64, len(encodings))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def cut(encodings: Sequence[Any]) -> int:
    """How many sequences were cut at the length limit."""
    return sum(bool(encoding.overflowing) for encoding in encodings)


def label_index(ids: Iterable[str], names: Iterable[str], labels: Sequence[str]) -> np.ndarray:
    """Positions in `labels` of the label `names` of the examples `ids`, side by side; int64.

    BenchError at the first name that is not in `labels`: what is not in the training split cannot be
    predicted, so it is no label of any other split."""
    position = {label: number for number, label in enumerate(labels)}
    found = []
    for example, name in zip(ids, names, strict=True):
        if name not in position:
            near = get_close_matches(name, labels, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise BenchError(
                f"example '{example}': label '{name}' is not in the training split"
                f" (labels: {', '.join(labels)}){hint}",
                code="unknown-label",
            )
        found.append(position[name])
    return np.array(found, np.int64)
