from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts import BenchError, QuestionExample, Recipe, Splits
from bench.data.encoding import Encoded
from bench.data.windows import MAX_ANSWER_TOKENS
from tasks.qa import QA
from tests.tasks.conftest import build_wordlevel, build_wordpiece

TOKENIZERS = {"wordpiece": build_wordpiece(), "wordlevel": build_wordlevel()}
RECIPE = Recipe(max_length=48, stride=24)
WORDS = [
    "the",
    "unlikely",
    "U.S.",
    "cafe\u0301",
    "naïve",
    "👩‍👩‍👧",
    "🎉",
    "北京",
    "a\u200bb",
    "ﬁn",
    "हिन्दी",
    "İzmir",
    "x",
]
GAPS = [" ", "  ", "\n", " , "]


class Questions(QA):
    name = "questions"
    summary = "Questions on paragraphs"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Questions()


@st.composite
def questions(draw: st.DrawFn) -> QuestionExample:
    """A context of up to 60 words, some repeated, and an answer of one or two of them."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))
    gaps = draw(st.lists(st.sampled_from(GAPS), min_size=len(words), max_size=len(words)))
    starts = [0, *accumulate(len(w) + len(g) for w, g in zip(words, gaps, strict=True))]
    context = "".join(w + g for w, g in zip(words, gaps, strict=True))
    first = draw(st.integers(0, len(words) - 1))
    last = min(first + draw(st.integers(0, 1)), len(words) - 1)
    answer = context[starts[first] : starts[last] + len(words[last])]
    return QuestionExample(
        "q", draw(st.sampled_from(["who", "who was in the film?"])), context, ((answer, starts[first]),)
    )


def numbered(count: int, first: int, last: int) -> QuestionExample:
    """The context `w0 w1 ...` with the answer of words `first` to `last`."""
    words = [f"w{number}" for number in range(count)]
    answer = " ".join(words[first : last + 1])
    return QuestionExample(
        f"{first}-{last}", "who", " ".join(words), ((answer, len(" ".join([*words[:first], ""]))),)
    )


def one_hot(encoded: Encoded) -> np.ndarray:
    """Logits [T, 2] that are one at the first and last token of each window's target."""
    logits = np.zeros((len(encoded.tokens), 2), np.float32)
    for side in (0, 1):
        logits[encoded.offsets[:-1] + encoded.targets[:, side], side] = 1
    return logits


def search(logits: np.ndarray, encoded: Encoded, examples: list[QuestionExample]) -> list[str]:
    """The best answer of each example, by trying every pair of tokens."""
    assert encoded.spans is not None
    best: dict[int, tuple[float, str]] = {}
    for window, (begin, end) in enumerate(zip(encoded.offsets, encoded.offsets[1:], strict=False)):
        number = int(encoded.example[window])
        for start in range(begin, end):
            for stop in range(start, min(start + MAX_ANSWER_TOKENS, end)):
                if encoded.spans[start, 0] < 0 or encoded.spans[stop, 0] < 0:
                    continue
                total = logits[start, 0] + logits[stop, 1]
                if number not in best or total > best[number][0]:
                    text = examples[number].context[encoded.spans[start, 0] : encoded.spans[stop, 1]]
                    best[number] = (total, text)
    return [best[number][1] for number in range(len(examples))]


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(deadline=None)
@given(example=questions())
def test_decoding_the_targets_gives_the_gold_answer(kind, example):
    assert TASK.check(example) is None
    encoded = TASK.encode([example], TOKENIZERS[kind], (), RECIPE)
    assert TASK.decode(one_hot(encoded), encoded, [example], ()) == [example.answers[0][0]]


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("Ada, who lives in Paris.", "Ada"),
        ("Ada lives in Paris, London", "Paris"),
        ("the film 'good' was bad", "good"),
        ("Ada (London) lives", "London"),
        ("was it good? bad!", "good"),
        ("in 1842-1843", "1842"),
        ("in 1842-1843", "1843"),
        ("was $5.", "$5"),
        ("the un-good movie.", "un-good movie"),
    ],
)
def test_an_answer_beside_punctuation_ends_before_it(tokenizer, context, answer):
    """Neither the target nor the decoded text has the character before or after the gold answer."""
    start = context.index(answer)
    example = QuestionExample("q", "who", context, ((answer, start),))
    encoded = TASK.encode([example], tokenizer, (), RECIPE)
    assert encoded.spans is not None
    first, last = encoded.targets[0]
    assert (encoded.spans[first, 0], encoded.spans[last, 1]) == (start, start + len(answer))
    assert TASK.decode(one_hot(encoded), encoded, [example], ()) == [answer]


@pytest.mark.parametrize("length", [1, 2, 4])
def test_every_answer_up_to_the_stride_survives_window_borders(tokenizer, length):
    examples = [numbered(30, first, first + length - 1) for first in range(31 - length)]
    encoded = TASK.encode(examples, tokenizer, (), Recipe(max_length=24, stride=12))
    assert len(encoded) > 2 * len(examples) or tokenizer.num_special_tokens_to_add() == 0
    answers = [example.answers[0][0] for example in examples]
    assert TASK.decode(one_hot(encoded), encoded, examples, ()) == answers


def test_a_window_has_a_target_only_where_it_holds_the_whole_answer(wordlevel):
    examples = [numbered(12, first, first + 1) for first in range(11)]
    encoded = TASK.encode(examples, wordlevel, (), Recipe(max_length=6, stride=2))
    assert encoded.spans is not None
    for window, (begin, end) in enumerate(zip(encoded.offsets, encoded.offsets[1:], strict=False)):
        example = examples[encoded.example[window]]
        text, start = example.answers[0]
        spans = encoded.spans[begin:end].tolist()
        whole = any(s == start for s, _ in spans) and any(e == start + len(text) for _, e in spans)
        assert (encoded.targets[window].tolist() != [0, 0]) == whole


def test_neighbouring_windows_share_the_stride_and_cover_the_context(wordlevel):
    encoded = TASK.encode([numbered(12, 0, 0)], wordlevel, (), Recipe(max_length=6, stride=2))
    assert encoded.spans is not None
    rows = [
        encoded.spans[a + 1 : b, 0].tolist()
        for a, b in zip(encoded.offsets, encoded.offsets[1:], strict=False)
    ]
    assert all(left[-2:] == right[:2] for left, right in pairwise(rows))
    assert len({start for row in rows for start in row}) == 12


def test_question_and_context_have_their_segments(tokenizer):
    example = QuestionExample("q", "who lives", "Ada lives in Paris", (("Ada", 0),))
    encoded = TASK.encode([example], tokenizer, (), RECIPE)
    assert encoded.spans is not None
    assert set(encoded.segments[encoded.spans[:, 0] >= 0]) == {1}
    assert encoded.segments[0] == 0


def test_arrays_have_the_types_of_the_contract(tokenizer):
    encoded = TASK.encode([numbered(5, 1, 2)], tokenizer, (), RECIPE)
    arrays = [
        encoded.tokens,
        encoded.offsets,
        encoded.segments,
        encoded.example,
        encoded.targets,
        encoded.spans,
    ]
    names = ["int32", "int64", "int8", "int32", "int64", "int32"]
    assert [array.dtype.name for array in arrays if array is not None] == names


def test_the_first_gold_answer_is_the_target(tokenizer):
    example = QuestionExample("q", "who", "Ada lives in Paris", (("Paris", 13), ("Ada", 0)))
    encoded = TASK.encode([example], tokenizer, (), RECIPE)
    assert TASK.decode(one_hot(encoded), encoded, [example], ()) == ["Paris"]


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(deadline=None, max_examples=30)
@given(
    examples=st.lists(questions(), min_size=1, max_size=3),
    seed=st.integers(0, 99),
    spread=st.sampled_from([2, 1000]),
)
def test_decoding_equals_a_search_of_every_span(kind, examples, seed, spread):
    plain = [  # marks after an answer belong to it, which the search does not know
        QuestionExample(e.id, e.question, re.sub("[^\x00-\x7f]", "z", e.context), e.answers) for e in examples
    ]
    encoded = TASK.encode(plain, TOKENIZERS[kind], (), RECIPE)
    logits = (
        np.random.default_rng(seed).integers(-spread, spread, (len(encoded.tokens), 2)).astype(np.float32)
    )
    assert TASK.decode(logits, encoded, plain, ()) == search(logits, encoded, plain)


def test_an_answer_has_at_most_thirty_tokens(wordlevel):
    example = numbered(60, 0, 0)
    encoded = TASK.encode([example], wordlevel, (), Recipe(max_length=64, stride=8))
    logits = np.zeros((len(encoded.tokens), 2), np.float32)
    logits[1, 0] = logits[50, 1] = 5
    logits[30, 1] = 4
    assert len(TASK.decode(logits, encoded, [example], ())[0].split()) == MAX_ANSWER_TOKENS


def test_logits_outside_the_context_never_win(wordpiece):
    example = QuestionExample("q", "who lives", "Ada lives in Paris", (("Ada", 0),))
    encoded = TASK.encode([example], wordpiece, (), RECIPE)
    assert encoded.spans is not None
    logits = np.where(encoded.spans < 0, 100, 0).astype(np.float32)
    assert TASK.decode(logits, encoded, [example], ()) == ["Ada"]


def test_a_question_that_leaves_no_room_is_cut_first(tokenizer):
    example = QuestionExample("q", "who was in the film " * 20, "Ada lives in Paris", (("Paris", 13),))
    encoded = TASK.encode([example, numbered(5, 1, 1)], tokenizer, (), Recipe(max_length=20, stride=8))
    assert encoded.lengths.max() <= 20
    assert encoded.truncated == (encoded.example == 0).sum() > 0
    assert TASK.decode(one_hot(encoded), encoded, [example, numbered(5, 1, 1)], ())[0] == "Paris"


def test_a_stride_that_leaves_no_room_is_an_error(wordpiece):
    with pytest.raises(BenchError, match="stride is 19; with max_length 20 it must be at most 15") as error:
        TASK.encode([numbered(5, 1, 1)], wordpiece, (), Recipe(max_length=20, stride=19))
    assert error.value.code == "too-large-stride"


def test_a_context_without_a_token_is_answered_with_nothing(wordlevel):
    examples = [QuestionExample("q", "", " ", (("x", 0),)), numbered(5, 1, 1)]
    encoded = TASK.encode(examples, wordlevel, (), RECIPE)
    assert TASK.decode(one_hot(encoded), encoded, examples, ()) == ["", "w1"]


@pytest.mark.parametrize(
    ("question", "context", "answers", "problem"),
    [
        ("who", "Ada lives", (("Ada", 0),), None),
        (" ", "Ada lives", (("Ada", 0),), "the question is empty"),
        ("who", "", (("Ada", 0),), "the context is empty"),
        ("who", "Ada lives", (), "there is no answer"),
        ("who", "Ada lives", (("", 0),), "an answer is empty"),
        (
            "who",
            "Ada lives",
            (("Ada", 1),),
            "answer 'Ada' is not at character 1 of the context (there: 'da ')",
        ),
        ("who", "Ada lives", (("s", -1),), "answer 's' is not at character -1 of the context (there: '')"),
    ],
)
def test_check_says_what_is_wrong(question, context, answers, problem):
    assert TASK.check(QuestionExample("q", question, context, answers)) == problem
