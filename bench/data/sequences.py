"""Texts, and pairs of texts, as token sequences: what all tasks share whose head reads a whole text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.contracts import BenchError, LabelsExample, NumberExample, Recipe, TextExample
from bench.data.cache import notice
from bench.data.encoding import Encoded, column, cut, filler, offsets_of, text_room, tokenise

CHARACTERS = 100_000
"""Characters that are read of a text: no model here reads further, and a tokenizer would take minutes."""

Texts = Sequence[TextExample] | Sequence[LabelsExample] | Sequence[NumberExample]


def check_texts(example: TextExample | LabelsExample | NumberExample) -> str | None:
    """What is wrong with the texts of an example, or None."""
    if not example.text.strip():
        return "the text is empty"
    if example.pair and not example.pair.strip():
        return "the second text is empty"
    return None


def encode_sequences(examples: Texts, targets: np.ndarray, tokenizer: Any, recipe: Recipe) -> Encoded:
    """One sequence a text or pair, cut at `recipe.max_length` tokens; targets: one row an example.

    Of a pair the longer text loses tokens first. A text without a token, under a tokenizer without special tokens,
    becomes one unknown token."""
    paired = any(example.pair for example in examples)
    text_room(tokenizer, recipe.max_length, 2 if paired else 1)
    gigantic = sum(max(len(e.text), len(e.pair)) > CHARACTERS for e in examples)
    if gigantic:
        notice(f"{gigantic:,} texts have more than {CHARACTERS:,} characters and are cut there")
    texts = [[example.text[:CHARACTERS] for example in examples]]
    if paired:
        texts.append([example.pair[:CHARACTERS] for example in examples])
    if paired and (recipe.windows != "none" or recipe.truncation != "head"):
        key = "windows" if recipe.windows != "none" else "truncation"
        raise BenchError(
            f"recipe.{key} is for single texts, and these rows are pairs: leave it out", code="pairs"
        )
    if recipe.windows != "none":
        return _windows(texts[0], targets, tokenizer, recipe)
    if recipe.truncation == "head+tail":
        encodings = [_ends(found, recipe.max_length) for found in tokenise(tokenizer, *texts).encodings]
    else:
        encodings = tokenise(tokenizer, *texts, truncation=True, max_length=recipe.max_length).encodings
    return Encoded(
        tokens=column(encodings, "ids", filler(tokenizer)),
        offsets=offsets_of(encodings),
        segments=column(encodings, "type_ids", 0).astype(np.int8),
        example=np.arange(len(encodings), dtype=np.int32),
        targets=targets,
        truncated=cut(encodings),
    )


def pooled_windows(logits: np.ndarray, encoded: Encoded) -> np.ndarray:
    """One row of logits an example: the mean or the maximum over its windows, [sequences, outputs] -> [N,
    outputs]; as they are where each text is one sequence."""
    if not encoded.pooled:
        return logits
    starts = first_windows(encoded)
    if encoded.pooled == "max":
        return np.maximum.reduceat(logits, starts)
    counts = np.diff(np.append(starts, len(logits)))
    return np.add.reduceat(logits, starts) / counts[:, None].astype(logits.dtype)


def first_windows(encoded: Encoded) -> np.ndarray:
    """The place of the first sequence of each text, int64 [N]."""
    return np.flatnonzero(np.diff(encoded.example, prepend=-1))


def _windows(texts: list[str], targets: np.ndarray, tokenizer: Any, recipe: Recipe) -> Encoded:
    """Windows of at most `max_length` tokens; neighbours share `stride`. In training each has its text's target."""
    room = text_room(tokenizer, recipe.max_length)
    if recipe.stride >= room:
        raise BenchError(
            f"recipe.stride is {recipe.stride}; with max_length {recipe.max_length} it must be below {room}",
            code="too-large-stride",
        )
    batch = tokenise(
        tokenizer,
        texts,
        truncation=True,
        max_length=recipe.max_length,
        stride=recipe.stride,
        return_overflowing_tokens=True,
    )
    of_example = np.array(batch["overflow_to_sample_mapping"], np.int32)
    return Encoded(
        tokens=column(batch.encodings, "ids", filler(tokenizer)),
        offsets=offsets_of(batch.encodings),
        segments=column(batch.encodings, "type_ids", 0).astype(np.int8),
        example=of_example,
        targets=targets[of_example],
        pooled=recipe.windows,
    )


@dataclass(frozen=True)
class _Ends:
    """Both ends of a long text, as an encoding."""

    ids: list[int]
    type_ids: list[int]
    overflowing: bool

    def __len__(self) -> int:
        return len(self.ids)


def _ends(encoding: Any, most: int) -> _Ends:
    """The first quarter and the last three of what fits, of text tokens, between the special ones: of 510 tokens
    128 and 382 are kept by Sun et al. (2019, arXiv 1905.05583, section 5.3.1)."""
    ids, types = list(encoding.ids), list(encoding.type_ids)
    if len(ids) <= most:
        return _Ends(ids, types, False)
    special = list(encoding.special_tokens_mask)
    first, last = special.index(0), special[::-1].index(0)  # special tokens before and after the text
    room = most - first - last
    head = first + room // 4
    tail = most - head
    return _Ends(ids[:head] + ids[-tail:], types[:head] + types[-tail:], True)
