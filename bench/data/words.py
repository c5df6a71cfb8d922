"""Tagged words as token sequences: only a word's first sub-word carries its tag.

Words are read as in a text, with the blank before them (see `spaced`). A word has no first sub-word where the
sequence was cut before it, or where the tokenizer drops all its characters (a lone control character). It takes no
part in the loss and is predicted "O"."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from bench.contracts import Recipe, WordsExample
from bench.data.encoding import (
    IGNORED,
    Encoded,
    column,
    cut,
    filler,
    label_index,
    offsets_of,
    text_room,
    tokenise,
)
from bench.data.spaced import for_words, sentences

OUTSIDE = "O"


def encode_words(
    examples: Sequence[WordsExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
) -> Encoded:
    """One sequence a sentence, cut at `recipe.max_length` tokens; targets int64 [T]."""
    ids = (example.id for example in examples for _ in example.tags)
    tags = label_index(ids, (tag for example in examples for tag in example.tags), labels)
    text_room(tokenizer, recipe.max_length)
    tokenizer = for_words(tokenizer)
    words_of = sentences(tokenizer, [example.words for example in examples])
    batch = tokenise(
        tokenizer, words_of, is_split_into_words=True, truncation=True, max_length=recipe.max_length
    )
    offsets = offsets_of(batch.encodings)
    words = _first_subwords(column(batch.encodings, "word_ids", -1), offsets)
    first = words >= 0
    targets = np.full(len(words), IGNORED, np.int64)
    targets[first] = tags[_places(words, offsets, examples)[first]]
    return Encoded(
        tokens=column(batch.encodings, "ids", filler(tokenizer)),
        offsets=offsets,
        segments=column(batch.encodings, "type_ids", 0).astype(np.int8),
        example=np.arange(len(examples), dtype=np.int32),
        targets=targets,
        words=words,
        truncated=cut(batch.encodings),
    )


def decode_words(
    logits: np.ndarray, encoded: Encoded, examples: Sequence[WordsExample], labels: Sequence[str]
) -> list[list[str]]:
    """The tag of the largest logit of each first sub-word, from [T, labels]; one tag a word.

    Tags are chosen word by word, so a list may break IOB2: an I- may continue nothing."""
    words = encoded.words
    if words is None:
        raise ValueError("these sequences carry no words: encode them with `encode_words`")
    first = words >= 0
    starts = np.cumsum([0, *(len(example.words) for example in examples)])
    tags = np.full(starts[-1], list(labels).index(OUTSIDE), np.int64)
    tags[_places(words, encoded.offsets, examples)[first]] = logits[first].argmax(axis=1)
    names = np.array(labels, dtype=object)[tags].tolist()
    return [names[start:end] for start, end in pairwise(starts)]


def _first_subwords(words: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Word indices [T] with -1 at every sub-word that continues a word; sequences start at `offsets`."""
    previous = np.roll(words, 1)
    previous[offsets[:-1]] = -1
    return np.where(words == previous, np.int32(-1), words)


def _places(words: np.ndarray, offsets: np.ndarray, examples: Sequence[WordsExample]) -> np.ndarray:
    """Where the word of each token stands in all words of all examples; int64 [T]."""
    starts = np.cumsum([0, *(len(example.words) for example in examples)])[:-1]
    return np.repeat(starts, np.diff(offsets)) + words
