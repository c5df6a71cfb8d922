from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from transformers import ByT5Tokenizer

from bench.contracts import BenchError, Recipe, Splits, TextExample
from tasks.classification import Classification
from tests.tasks.conftest import recompute

RECIPE = Recipe(max_length=8, stride=0)
LABELS = ("business", "sport", "world")


class Topics(Classification):
    name = "topics"
    summary = "Topics of short texts"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Topics()


def texts(*rows: tuple[str, str]) -> list[TextExample]:
    return [TextExample(str(number), text, label) for number, (text, label) in enumerate(rows)]


def test_labels_are_those_of_training_sorted():
    assert TASK.labels(texts(("a", "world"), ("b", "business"), ("c", "world"))) == ("business", "world")


def test_labels_that_are_all_numbers_sort_by_value():
    assert TASK.labels(texts(("a", "10"), ("b", "2"), ("c", "-1.5"))) == ("-1.5", "2", "10")
    assert TASK.labels(texts(("a", "10"), ("b", "2"), ("c", "nan"))) == ("10", "2", "nan")


def test_a_text_becomes_one_sequence_with_special_tokens(wordpiece):
    encoded = TASK.encode(texts(("The movie", "sport"), ("good", "world")), wordpiece, LABELS, RECIPE)
    movie = wordpiece.convert_tokens_to_ids(["[CLS]", "the", "movie", "[SEP]", "[CLS]", "good", "[SEP]"])
    assert encoded.tokens.tolist() == movie
    assert encoded.offsets.tolist() == [0, 4, 7]
    assert encoded.example.tolist() == [0, 1]
    assert encoded.targets.tolist() == [1, 2]


def test_arrays_have_the_types_of_the_contract(tokenizer):
    encoded = TASK.encode(texts(("the movie", "sport")), tokenizer, LABELS, RECIPE)
    types = [encoded.tokens, encoded.offsets, encoded.segments, encoded.example, encoded.targets]
    assert [array.dtype.name for array in types] == ["int32", "int64", "int8", "int32", "int64"]


def test_a_batch_encodes_like_its_texts_alone(tokenizer):
    examples = texts(("the good film", "sport"), ("", "sport"), ("Ada lives in Paris.", "world"))
    alone = [TASK.encode([example], tokenizer, LABELS, RECIPE).tokens for example in examples]
    assert np.array_equal(TASK.encode(examples, tokenizer, LABELS, RECIPE).tokens, np.concatenate(alone))


def test_long_texts_are_cut_and_counted(tokenizer):
    examples = texts(("good " * 20, "sport"), ("good", "sport"), ("good " * 9, "sport"))
    encoded = TASK.encode(examples, tokenizer, LABELS, RECIPE)
    assert encoded.truncated == 2
    assert encoded.lengths.max() == RECIPE.max_length


def test_an_empty_text_becomes_one_unknown_token(wordlevel):
    encoded = TASK.encode(texts(("", "sport"), ("good", "sport")), wordlevel, LABELS, RECIPE)
    assert encoded.tokens.tolist() == [wordlevel.unk_token_id, wordlevel.convert_tokens_to_ids("good")]


def test_a_label_outside_the_training_split_is_an_error(tokenizer):
    with pytest.raises(
        BenchError, match=r"example '0': label 'sports' .*business, sport, world.*'sport'\?"
    ) as error:
        TASK.encode(texts(("good", "sports")), tokenizer, LABELS, RECIPE)
    assert error.value.code == "unknown-label"


def test_a_length_without_room_for_text_is_an_error(wordpiece):
    with pytest.raises(BenchError, match="max_length is 2; this tokenizer needs at least 3") as error:
        TASK.encode(texts(("good", "sport")), wordpiece, LABELS, Recipe(max_length=2, stride=0))
    assert error.value.code == "too-small-max-length"


def test_a_tokenizer_without_a_fast_backend_is_an_error():
    with pytest.raises(BenchError) as error:
        TASK.encode(texts(("good", "sport")), ByT5Tokenizer(), LABELS, RECIPE)
    assert error.value.code == "slow-tokenizer"


def test_the_largest_logit_is_the_prediction(tokenizer):
    examples = texts(("good", "sport"), ("bad", "world"))
    encoded = TASK.encode(examples, tokenizer, LABELS, RECIPE)
    logits = np.array([[0, 2, 1], [3, 1, 2]], np.float32)
    assert TASK.decode(logits, encoded, examples, LABELS) == ["sport", "business"]


def test_the_trivial_prediction_is_the_commonest_training_label():
    train = texts(("a", "world"), ("b", "sport"), ("c", "world"))
    assert TASK.trivial(train, texts(("d", "sport"), ("e", "sport"))) == ["world", "world"]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(pairs):
    gold, predicted = [r for r, _ in pairs], [p for _, p in pairs]
    scores = TASK.score(texts(*(("x", r) for r in gold)), predicted)
    assert scores["accuracy"] == accuracy_score(gold, predicted)
    assert scores["f1"] == f1_score(gold, predicted, average="macro", zero_division=0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=60))
def test_scores_follow_from_the_columns(pairs):
    examples = texts(*(("x", r) for r, _ in pairs))
    predicted = [p for _, p in pairs]
    columns = TASK.columns(examples, predicted)
    for metric in TASK.metrics:
        assert TASK.score(examples, predicted)[metric.name] == pytest.approx(recompute(metric, columns))


@pytest.mark.parametrize(
    ("text", "label", "problem"),
    [("fine", "sport", None), (" ", "sport", "the text is empty"), ("fine", "", "the label is empty")],
)
def test_check_says_what_is_wrong(text, label, problem):
    assert TASK.check(TextExample("0", text, label)) == problem


def test_adapters_import_no_numerical_library():
    code = (
        "import sys, tasks.classification, tasks.sentiment, tasks.ner, tasks.qa;"
        "sys.exit(bool({'numpy', 'torch', 'sklearn', 'seqeval', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_gigantic_text_is_cut_and_that_is_said(capsys):
    from bench.contracts import Recipe, TextExample
    from bench.data.sequences import CHARACTERS
    from bench.data.texts import encode_texts
    from tests.conftest import word_piece_tokenizer

    rows = [TextExample("x", "film " * CHARACTERS, "a"), TextExample("y", "film", "a")]
    encoded = encode_texts(rows, word_piece_tokenizer(), ["a"], Recipe(max_length=64))
    assert list(encoded.lengths) == [64, 3]
    assert "1 texts have more than 100,000 characters and are cut there" in capsys.readouterr().err
