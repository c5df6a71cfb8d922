"""Questions on contexts as overlapping windows of tokens, and answers from start and end logits.

Nothing here assumes special tokens: which token belongs to the context comes from the tokenizer, so
static word vectors and encoders take the same path.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any
from unicodedata import category

import numpy as np

from bench.contracts import BenchError, QuestionExample, Recipe
from bench.data.encoding import Encoded, column, filler, offsets_of, text_room, tokenise

MAX_ANSWER_TOKENS = 30
"""The longest answer that is predicted, in tokens: the convention on SQuAD since BERT's run_squad.py."""


def encode_windows(examples: Sequence[QuestionExample], tokenizer: Any, recipe: Recipe) -> Encoded:
    """Windows of at most `recipe.max_length` tokens; neighbours share `recipe.stride` context tokens.

    The target is the first gold answer, in every window that holds all of its tokens. A question keeps
    at most three quarters of the room that the stride leaves free, and loses its end beyond that, so
    that windows always advance; `truncated` counts the windows of such questions.
    """
    room = text_room(tokenizer, recipe.max_length, 2)
    free = room - recipe.stride
    if free < 2:
        raise BenchError(
            f"recipe.stride is {recipe.stride};"
            f" with max_length {recipe.max_length} it must be at most {room - 2}",
            code="too-large-stride",
        )
    questions = _cut_questions([example.question for example in examples], tokenizer, free * 3 // 4)
    batch = tokenise(
        tokenizer,
        questions,
        [example.context for example in examples],
        truncation="only_second",
        max_length=recipe.max_length,
        stride=recipe.stride,
        return_overflowing_tokens=True,
    )
    windows = batch.encodings
    offsets = offsets_of(windows)
    of_example = np.array(batch["overflow_to_sample_mapping"], np.int32)
    shortened = np.array([q != e.question for q, e in zip(questions, examples, strict=True)], bool)
    spans = _context_spans(windows)
    if _spans_begin_with_blanks(tokenizer):
        _leave_blanks_out(spans, offsets, [examples[number].context for number in of_example])
    return Encoded(
        tokens=column(windows, "ids", filler(tokenizer)),
        offsets=offsets,
        segments=column(windows, "type_ids", 0).astype(np.int8),
        example=of_example,
        targets=_answer_tokens(spans, offsets, of_example, examples),
        spans=spans,
        truncated=int(shortened[of_example].sum()),
    )


def decode_windows(logits: np.ndarray, encoded: Encoded, examples: Sequence[QuestionExample]) -> list[str]:
    """The answer text of each example, as `best_answers` finds it."""
    return best_answers(logits, encoded, examples)[0]


def null_margins(
    logits: np.ndarray, encoded: Encoded, examples: Sequence[QuestionExample]
) -> tuple[list[str], np.ndarray]:
    """The best answers, and by how much the null score is above theirs; float64 [examples].

    The null score of a window is the sum of both logits of its first token; of an example the least over its
    windows, so that one window with an answer is enough (Devlin et al. 2019, section 4.3)."""
    answers, best = best_answers(logits, encoded, examples)
    first = logits[encoded.offsets[:-1]].astype(np.float64).sum(1)
    null = np.full(len(examples), np.inf)
    np.minimum.at(null, encoded.example, first)
    return answers, null - best


def best_answers(
    logits: np.ndarray, encoded: Encoded, examples: Sequence[QuestionExample]
) -> tuple[list[str], np.ndarray]:
    """The answer text of each example from start and end logits [T, 2], and its score, float64 [examples].

    Over all windows of an example, the span of 1 to MAX_ANSWER_TOKENS context tokens with the largest
    sum of start and end logit; sums of different windows are compared as they are; the first of equals.
    An answer includes the combining marks after its last character. "" only where a context has no token.
    """
    spans = encoded.spans
    if spans is None:
        raise ValueError("these sequences carry no spans: encode them with `encode_windows`")
    inside = spans[:, 0] >= 0
    window = np.repeat(np.arange(len(encoded)), encoded.lengths)
    best = np.full(len(inside), -np.inf, np.float32)
    reach = np.zeros(len(inside), np.int64)
    for more in range(min(MAX_ANSWER_TOKENS, len(inside))):
        count = len(inside) - more
        total = logits[:count, 0] + logits[more:, 1]
        allowed = inside[:count] & inside[more:] & (window[:count] == window[more:])
        better = np.flatnonzero(allowed & (total > best[:count]))
        best[better] = total[better]
        reach[better] = more
    starts = np.flatnonzero(inside)
    of_example = encoded.example[window[starts]]
    order = np.lexsort((-best[starts], of_example))
    answered, first = np.unique(of_example[order], return_index=True)
    answers = [""] * len(examples)
    scores = np.full(len(examples), -np.inf)
    for number, start in zip(answered, starts[order[first]], strict=True):
        context = examples[number].context
        scores[number] = best[start]
        begin, end = int(spans[start, 0]), int(spans[start + reach[start], 1])
        answers[number] = context[begin : _with_marks(context, end)]
    return answers, scores


def _cut_questions(questions: list[str], tokenizer: Any, limit: int) -> list[str]:
    """The questions, each cut after its `limit`-th token where it has more."""
    encodings = tokenise(tokenizer, questions, add_special_tokens=False).encodings
    kept = []
    for question, encoding in zip(questions, encodings, strict=True):
        while len(encoding) > limit:  # a shorter text may be divided otherwise, so look again
            question = question[: min(encoding.offsets[limit - 1][1], len(question) - 1)]
            encoding = tokenise(tokenizer, [question], add_special_tokens=False).encodings[0]
        kept.append(question)
    return kept


def _context_spans(windows: Sequence[Any]) -> np.ndarray:
    """First and one-past-last character of each token of the context, else (-1, -1); int32 [T, 2]."""
    flat = (place for window in windows for span in window.offsets or ((0, 0),) for place in span)
    spans = np.fromiter(flat, np.int32).reshape(-1, 2)
    in_context = (column(windows, "sequence_ids", -1) == 1) & (spans[:, 1] > spans[:, 0])
    return np.where(in_context[:, None], spans, np.int32(-1))


def _spans_begin_with_blanks(tokenizer: Any) -> bool:
    """Whether a token's characters include the blank before it, as in most byte-level and SentencePiece models."""
    text = "see the sky"
    (encoding,) = tokenise(tokenizer, [text], add_special_tokens=False).encodings
    return any(text[begin:end].startswith(" ") for begin, end in encoding.offsets)


def _leave_blanks_out(spans: np.ndarray, offsets: np.ndarray, contexts: Sequence[str]) -> None:
    """Move the spans [T, 2] of tokens, in place, behind the blanks that they begin with: no answer begins with one.
    A token of blanks alone is no place for an answer. contexts: of each window."""
    next_letter = functools.lru_cache(maxsize=64)(_next_letter)
    for context, first, last in zip(contexts, offsets[:-1], offsets[1:], strict=True):
        part = spans[first:last]
        inside = part[:, 0] >= 0
        begins = next_letter(context)[np.maximum(part[:, 0], 0)]
        part[inside, 0] = begins[inside]
        part[inside & (part[:, 0] >= part[:, 1])] = -1


def _next_letter(context: str) -> np.ndarray:
    """For each character of a context, the place of the first one from there on that is no blank; int32."""
    places = np.where([letter.isspace() for letter in context], len(context), np.arange(len(context)))
    return np.minimum.accumulate(places[::-1])[::-1].astype(np.int32)


def _answer_tokens(
    spans: np.ndarray, offsets: np.ndarray, of_example: np.ndarray, examples: Sequence[QuestionExample]
) -> np.ndarray:
    """First and last token of the first gold answer in each window, (0, 0) where the window lacks a part
    of it, or there is none; int64 [N, 2]. Its tokens are those that share a character with it, in any window."""
    firsts = [example.answers[0] if example.answers else ("", -1) for example in examples]
    gold = np.array([(start, start + len(text)) for text, start in firsts], np.int64)
    gold = gold.reshape(-1, 2)
    begin, end = np.repeat(gold[of_example], np.diff(offsets), axis=0).T
    touching = (spans[:, 0] >= 0) & (spans[:, 0] < end) & (spans[:, 1] > begin)
    beyond = np.int64(np.iinfo(np.int64).max)  # typed: a plain int would wrap to int32 in `where`
    place = np.arange(len(spans))
    windows = offsets[:-1]
    first_character = np.minimum.reduceat(np.where(touching, spans[:, 0], beyond), windows)
    last_character = np.maximum.reduceat(np.where(touching, spans[:, 1], -1), windows)
    first_token = np.minimum.reduceat(np.where(touching, place, beyond), windows)
    last_token = np.maximum.reduceat(np.where(touching, place, -1), windows)
    example_first = np.full(len(examples), beyond)
    example_last = np.full(len(examples), -1)
    np.minimum.at(example_first, of_example, first_character)
    np.maximum.at(example_last, of_example, last_character)
    whole = (first_character == example_first[of_example]) & (last_character == example_last[of_example])
    whole &= last_token >= 0
    tokens = np.stack([first_token - windows, last_token - windows], axis=1)
    return np.where(whole[:, None], tokens, 0)


def _with_marks(context: str, end: int) -> int:
    """`end`, moved over the marks that belong to the character before it: tokenizers that strip accents
    leave them outside of every token."""
    while end < len(context) and category(context[end]) in ("Mn", "Me", "Mc"):
        end += 1
    return end
