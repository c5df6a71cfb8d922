"""Windows of questions and contexts at their edges: what is kept of a question, where an answer begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.contracts import BenchError, QuestionExample, Recipe
from bench.data.windows import (
    _context_spans,
    _cut_questions,
    _leave_blanks_out,
    decode_windows,
    encode_windows,
)
from tests.tasks.conftest import build_wordlevel, build_wordpiece

WORDPIECE, WORDLEVEL = build_wordpiece(), build_wordlevel()
ADA = "ada lives in paris"


def question(words: int, context: str = ADA) -> QuestionExample:
    return QuestionExample(
        str(words), " ".join(["good"] * words), context, ((context.split()[0], 0),) if context.strip() else ()
    )


@pytest.mark.parametrize(
    ("tokenizer", "limit"),
    [(WORDPIECE, 6), (WORDLEVEL, 9)],
    ids=["with special tokens: 3/4 of 20 - 3 - 8", "without: 3/4 of 20 - 8"],
)
@pytest.mark.parametrize("more", [-1, 0, 1, 9])
def test_a_question_keeps_three_quarters_of_what_the_stride_leaves(
    more: int, limit: int, tokenizer: Any
) -> None:
    examples = [question(limit + more), question(1, " ".join([ADA] * 10))]
    encoded = encode_windows(examples, tokenizer, Recipe(max_length=20, stride=8))
    assert encoded.spans is not None
    (window,) = np.flatnonzero(encoded.example == 0)
    first = slice(encoded.offsets[window], encoded.offsets[window + 1])
    (good,) = tokenizer.convert_tokens_to_ids(["good"])
    assert (encoded.tokens[first] == good).sum() == min(limit, limit + more)
    assert (encoded.spans[first, 0] >= 0).sum() == len(ADA.split())
    assert encoded.truncated == (more > 0), "only windows of questions that were cut are counted"
    assert (encoded.example == 1).sum() > 2


def by_bytes() -> Any:
    """Byte-level BPE without merges: one token for each byte, so an emoji has four at one place."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def test_a_question_is_cut_before_a_character_whose_tokens_do_not_all_fit() -> None:
    assert _cut_questions(["ab🙂", "abc", "abcd"], by_bytes(), 3) == ["ab", "abc", "abc"]


@pytest.mark.parametrize(("stride", "fits"), [(15, True), (16, False)])
def test_the_largest_stride_leaves_room_for_one_token_of_each_text(stride: int, fits: bool) -> None:
    """20 tokens, 3 of them special: 17 for text, of which 2 are free."""
    recipe = Recipe(max_length=20, stride=stride)
    example = question(3, " ".join([ADA] * 10))
    if fits:
        encoded = encode_windows([example], WORDPIECE, recipe)
        logits = np.zeros((len(encoded.tokens), 2), np.float32)
        logits[encoded.offsets[0] + encoded.targets[0], (0, 1)] = 1
        assert decode_windows(logits, encoded, [example]) == ["ada"]
        return
    with pytest.raises(BenchError, match="at most 15") as error:
        encode_windows([example], WORDPIECE, recipe)
    assert error.value.code == "too-large-stride"


def test_a_window_without_a_token_is_of_the_first_segment() -> None:
    encoded = encode_windows([question(0, " ")], WORDLEVEL, Recipe(max_length=20, stride=8))
    assert (encoded.tokens.tolist(), encoded.segments.tolist()) == ([WORDLEVEL.unk_token_id], [0])


def test_tokens_without_a_character_are_no_part_of_a_context() -> None:
    windows = [
        SimpleNamespace(offsets=[(0, 0), (0, 3), (0, 0), (3, 3), (3, 5)], sequence_ids=[None, 0, None, 1, 1]),
        SimpleNamespace(offsets=[], sequence_ids=[]),
    ]
    assert _context_spans(windows).tolist() == [*[[-1, -1]] * 4, [3, 5], [-1, -1]]


def test_spans_begin_behind_their_blanks() -> None:
    """A token of blanks alone is no place for an answer, also where a letter follows it at once."""
    contexts = ["  ab c", "x y "]
    before = [[-1, -1], [0, 3], [3, 4], [4, 5], [5, 6], [0, 1], [1, 3], [3, 4]]
    after = [[-1, -1], [2, 3], [3, 4], [-1, -1], [5, 6], [0, 1], [2, 3], [-1, -1]]
    spans = np.array(before, np.int32)
    _leave_blanks_out(spans, np.array([0, 5, 8]), contexts)
    assert spans.tolist() == after
