from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from bench.contracts import BenchError, Recipe, Splits, TextExample
from tasks.sentiment import POLARITIES, Sentiment
from tests.tasks.conftest import recompute

RECIPE = Recipe(max_length=8, stride=0)
BINARY = ("negative", "positive")


class Reviews(Sentiment):
    name = "reviews"
    summary = "Polarity of reviews"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Reviews()
PAIRS = st.lists(st.tuples(st.sampled_from(POLARITIES), st.sampled_from(POLARITIES)), min_size=1, max_size=60)


def labelled(labels: list[str]) -> list[TextExample]:
    return [TextExample(str(number), "good", label) for number, label in enumerate(labels)]


def test_two_polarities_are_the_labels():
    assert TASK.labels(labelled(["positive", "negative", "positive"])) == BINARY


def test_neutral_stands_between_where_the_data_has_it():
    assert TASK.labels(labelled(["positive", "neutral", "negative"])) == POLARITIES


def test_training_without_a_polarity_is_an_error():
    with pytest.raises(BenchError) as error:
        TASK.labels(labelled(["negative", "negative"]))
    assert error.value.code == "no-polarity"


def test_texts_are_encoded_with_their_polarity(tokenizer):
    encoded = TASK.encode(labelled(["positive", "negative"]), tokenizer, BINARY, RECIPE)
    assert encoded.targets.tolist() == [1, 0]
    assert len(encoded) == 2


def test_a_polarity_outside_the_training_split_is_an_error(tokenizer):
    with pytest.raises(BenchError) as error:
        TASK.encode(labelled(["neutral"]), tokenizer, BINARY, RECIPE)
    assert error.value.code == "unknown-label"


def test_the_largest_logit_is_the_prediction(tokenizer):
    examples = labelled(["positive", "negative"])
    encoded = TASK.encode(examples, tokenizer, BINARY, RECIPE)
    assert TASK.decode(np.eye(2, dtype=np.float32), encoded, examples, BINARY) == ["negative", "positive"]


def test_the_trivial_prediction_is_the_commonest_training_polarity():
    train = labelled(["positive", "negative", "positive"])
    assert TASK.trivial(train, labelled(["negative"] * 2)) == ["positive", "positive"]


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs):
    gold, predicted = [r for r, _ in pairs], [p for _, p in pairs]
    assert TASK.score(labelled(gold), predicted) == {
        "accuracy": accuracy_score(gold, predicted),
        "f1": f1_score(gold, predicted, average="macro", zero_division=0),
        "f1_positive": f1_score(
            [r == "positive" for r in gold], [p == "positive" for p in predicted], zero_division=0
        ),
    }


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_scores_follow_from_the_columns(pairs):
    examples, predicted = labelled([r for r, _ in pairs]), [p for _, p in pairs]
    columns = TASK.columns(examples, predicted)
    for metric in TASK.metrics:
        assert TASK.score(examples, predicted)[metric.name] == pytest.approx(recompute(metric, columns))


@pytest.mark.parametrize(
    ("text", "label", "problem"),
    [
        ("fine", "neutral", None),
        ("fine", "4 stars", "label '4 stars' is not a polarity (negative, neutral, positive)"),
        ("", "positive", "the text is empty"),
        ("fine", "", "the label is empty"),
    ],
)
def test_check_says_what_is_wrong(text, label, problem):
    assert TASK.check(TextExample("0", text, label)) == problem
