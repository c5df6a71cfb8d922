from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from bench.contracts import BenchError, Recipe, Splits, WordsExample
from bench.data.encoding import IGNORED
from bench.user_data.tagging import to_iob2
from tasks.ner import NER
from tests.support import conlleval
from tests.tasks.conftest import build_wordlevel, build_wordpiece, recompute

RECIPE = Recipe(max_length=64, stride=0)
TAGS = ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")
TOKENIZERS = {"wordpiece": build_wordpiece(), "wordlevel": build_wordlevel()}
WORD = st.sampled_from(
    ["Ada", "lives", "in", "New", "unlikely", "U.S.", "cafe\u0301", "\u200b", "👩‍👩‍👧", "北京"]
)
SENTENCES = st.lists(
    st.lists(st.tuples(WORD, st.sampled_from(TAGS)), min_size=1, max_size=9), min_size=1, max_size=5
)
TAGGED_TWICE = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=9),
    min_size=1,
    max_size=8,
)


class Names(NER):
    name = "names"
    summary = "Names in sentences"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Names()
ADA = WordsExample("s1", ("Ada", "lives", "in", "unlikely", "London"), ("B-PER", "O", "O", "B-LOC", "I-LOC"))


def one_hot(encoded: Any) -> np.ndarray:
    """Logits [T, labels] that say the target wherever there is one, and the last tag elsewhere."""
    return np.eye(len(TAGS), dtype=np.float32)[np.where(encoded.targets == IGNORED, -1, encoded.targets)]


def tagged(tags: list[list[str]]) -> list[WordsExample]:
    return [WordsExample(str(i), tuple("w" * len(t)), tuple(t)) for i, t in enumerate(tags)]


def test_labels_have_begin_and_inside_of_every_type():
    assert TASK.labels([WordsExample("0", ("a", "b"), ("B-PER", "O")), ADA]) == TAGS


def test_only_first_subwords_have_a_target(wordpiece):
    encoded = TASK.encode([ADA], wordpiece, TAGS, RECIPE)
    pieces = wordpiece.convert_ids_to_tokens(encoded.tokens)
    begins = [not piece.startswith("##") and piece not in ("[CLS]", "[SEP]") for piece in pieces]
    assert (encoded.targets != IGNORED).tolist() == begins
    assert encoded.targets[begins].tolist() == [TAGS.index(tag) for tag in ADA.tags]


def test_words_are_the_index_of_the_word_at_its_first_subword(tokenizer):
    encoded = TASK.encode([ADA, ADA], tokenizer, TAGS, RECIPE)
    assert encoded.words is not None
    assert encoded.words[encoded.words >= 0].tolist() == [0, 1, 2, 3, 4] * 2
    assert ((encoded.words >= 0) == (encoded.targets != IGNORED)).all()


def test_arrays_have_the_types_of_the_contract(tokenizer):
    encoded = TASK.encode([ADA], tokenizer, TAGS, RECIPE)
    arrays = [
        encoded.tokens,
        encoded.offsets,
        encoded.segments,
        encoded.example,
        encoded.targets,
        encoded.words,
    ]
    names = ["int32", "int64", "int8", "int32", "int64", "int32"]
    assert [array.dtype.name for array in arrays if array is not None] == names


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(deadline=None)
@given(rows=SENTENCES)
def test_decoding_the_targets_gives_the_gold_tags(kind, rows):
    examples = [
        WordsExample(str(i), tuple(w for w, _ in r), tuple(t for _, t in r)) for i, r in enumerate(rows)
    ]
    encoded = TASK.encode(examples, TOKENIZERS[kind], TAGS, Recipe(max_length=999, stride=0))
    decoded = TASK.decode(one_hot(encoded), encoded, examples, TAGS)
    kept = [
        {int(w) for w in encoded.words[a:b]}
        for a, b in zip(encoded.offsets, encoded.offsets[1:], strict=False)
    ]
    expected = [
        [t if i in k else "O" for i, t in enumerate(e.tags)] for e, k in zip(examples, kept, strict=True)
    ]
    assert decoded == expected
    lost = {
        e.words[i] for e, k in zip(examples, kept, strict=True) for i in range(len(e.words)) if i not in k
    }
    assert lost <= {"\u200b"}


def test_words_beyond_the_limit_are_predicted_outside(tokenizer):
    examples = [WordsExample("0", ("paris",) * 9, ("B-LOC",) * 9), ADA]
    special = tokenizer.num_special_tokens_to_add()
    encoded = TASK.encode(examples, tokenizer, TAGS, Recipe(max_length=4 + special, stride=0))
    assert TASK.decode(one_hot(encoded), encoded, examples, TAGS)[0] == ["B-LOC"] * 4 + ["O"] * 5
    assert encoded.truncated == 2


def test_a_sentence_without_a_token_is_predicted_outside(wordlevel):
    examples = [WordsExample("0", (" ",), ("B-LOC",)), ADA]
    encoded = TASK.encode(examples, wordlevel, TAGS, RECIPE)
    assert encoded.lengths.min() == 1
    assert TASK.decode(one_hot(encoded), encoded, examples, TAGS) == [["O"], list(ADA.tags)]


def test_a_tag_outside_the_training_split_is_an_error(tokenizer):
    with pytest.raises(
        BenchError, match=r"example 's1': label 'B-LOC' .*O, B-LOCATION.*'B-LOCATION'\?"
    ) as error:
        TASK.encode([ADA], tokenizer, ("O", "B-LOCATION", "B-PER"), RECIPE)
    assert error.value.code == "unknown-label"


@settings(deadline=None, max_examples=500)
@given(TAGGED_TWICE)
def test_scores_are_those_of_conlleval(rows):
    """Of references and predictions alike, valid or not: the counts of the official script, by its own rules."""
    gold, predicted = [[g for g, _ in r] for r in rows], [[p for _, p in r] for r in rows]
    columns = TASK.columns(tagged(gold), predicted)
    expected = conlleval.count(gold, predicted)
    assert sum(columns["gold"]) == expected.gold
    assert sum(columns["predicted"]) == expected.predicted
    assert sum(columns["tp"]) == expected.right
    assert (sum(columns["tokens"]), sum(columns["correct"])) == (expected.tokens, expected.right_tags)
    scores = TASK.score(tagged(gold), predicted)
    assert [scores[name] for name in ("f1", "precision", "recall")] == pytest.approx(
        [expected.f1, expected.precision, expected.recall]
    )


@settings(deadline=None)
@given(TAGGED_TWICE)
def test_scores_are_those_of_seqevals_default_mode(rows):
    gold, predicted = [[g for g, _ in r] for r in rows], [[p for _, p in r] for r in rows]
    scores = TASK.score(tagged(gold), predicted)
    assert scores["f1"] == pytest.approx(f1_score(gold, predicted, zero_division=0))
    assert scores["precision"] == pytest.approx(precision_score(gold, predicted, zero_division=0))
    assert scores["recall"] == pytest.approx(recall_score(gold, predicted, zero_division=0))
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted))


@settings(deadline=None)
@given(TAGGED_TWICE)
def test_the_strict_score_is_that_of_seqevals_strict_iob2(rows):
    """Of sound references, which are the only ones that a task accepts."""
    gold = [list(to_iob2([g for g, _ in r], "IOB1")) for r in rows]
    predicted = [[p for _, p in r] for r in rows]
    assert all(TASK.check(example) is None for example in tagged(gold))
    strict: dict[str, Any] = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    assert TASK.score(tagged(gold), predicted)["f1_strict"] == pytest.approx(
        f1_score(gold, predicted, **strict)
    )


@settings(deadline=None)
@given(TAGGED_TWICE)
def test_scores_follow_from_the_columns(rows):
    examples, predicted = tagged([[g for g, _ in r] for r in rows]), [[p for _, p in r] for r in rows]
    columns = TASK.columns(examples, predicted)
    for metric in TASK.metrics:
        assert TASK.score(examples, predicted)[metric.name] == pytest.approx(recompute(metric, columns))


def test_an_inside_tag_that_continues_nothing_starts_an_entity_but_by_the_strict_rule():
    columns = TASK.columns(tagged([["B-PER", "I-PER", "O"]]), [["I-PER", "I-PER", "O"]])
    assert (columns["predicted"], columns["gold"], columns["tp"]) == ([1], [1], [1])
    assert (columns["strict_predicted"], columns["strict_tp"]) == ([0], [0])


def test_dropping_wrong_predictions_flatters_the_strict_score():
    """The audit's case: one right entity, and one I- where nothing is."""
    scores = TASK.score(tagged([["B-PER", "O", "O"]]), [["B-PER", "O", "I-LOC"]])
    assert scores["f1"] == pytest.approx(2 / 3)
    assert scores["f1_strict"] == 1


def test_no_entity_anywhere_scores_zero_without_a_warning():
    assert TASK.score(tagged([["O", "O"]]), [["O", "O"]]) == {
        "f1": 0,
        "precision": 0,
        "recall": 0,
        "accuracy": 1,
        "f1_strict": 0,
    }


def test_the_trivial_prediction_has_no_entity():
    assert TASK.trivial([ADA], [ADA]) == [["O"] * 5]


def test_columns_join_tags_with_spaces():
    columns = TASK.columns([ADA], [["O"] * 5])
    assert columns["reference"] == ["B-PER O O B-LOC I-LOC"]
    assert columns["prediction"] == ["O O O O O"]


@pytest.mark.parametrize(
    ("words", "tags", "problem"),
    [
        ("Ada Lovelace", "B-PER I-PER", None),
        ("", "", "the sentence has no words"),
        ("Ada Lovelace", "B-PER", "2 words but 1 tags"),
        ("Ada", "PER", "tag 1 is 'PER'; a tag is O, B-TYPE or I-TYPE"),
        ("Ada", "B-", "tag 1 is 'B-'; a tag is O, B-TYPE or I-TYPE"),
        ("Ada", "I-PER", "tag 1 is 'I-PER' after 'O'; in IOB2 an entity starts with B-PER"),
        ("In Ada", "B-LOC I-PER", "tag 2 is 'I-PER' after 'B-LOC'; in IOB2 an entity starts with B-PER"),
    ],
)
def test_check_says_what_is_wrong(words, tags, problem):
    assert TASK.check(WordsExample("0", tuple(words.split()), tuple(tags.split()))) == problem


def test_check_finds_an_empty_word():
    assert TASK.check(WordsExample("0", ("Ada", ""), ("O", "O"))) == "a word is empty"
