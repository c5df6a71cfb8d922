from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts import QuestionExample, Splits
from tasks.qa import QA
from tests.tasks.conftest import recompute


class Questions(QA):
    name = "questions"
    summary = "Questions on paragraphs"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Questions()


def official_normalise(text: str) -> str:
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_f1(prediction: str, gold: str) -> float:
    predicted, wanted = official_normalise(prediction).split(), official_normalise(gold).split()
    same = sum((Counter(predicted) & Counter(wanted)).values())
    if same == 0:
        return 0
    precision, recall = 1.0 * same / len(predicted), 1.0 * same / len(wanted)
    return (2 * precision * recall) / (precision + recall)


ANSWER = st.lists(
    st.sampled_from(["The", "a", "an", "Cat", "cat.", "mat", "--", "theme", "the-cat", "\u00a0", "É"]),
    max_size=5,
)
SCORED = st.lists(st.tuples(ANSWER, st.lists(ANSWER, min_size=1, max_size=3)), min_size=1, max_size=10)


def with_golds(rows: list[tuple[list[str], list[list[str]]]]) -> tuple[list[QuestionExample], list[str]]:
    golds = [tuple((" ".join(words), 0) for words in answers) for _, answers in rows]
    return [QuestionExample("q", "who", "x", gold) for gold in golds], [" ".join(words) for words, _ in rows]


@settings(deadline=None)
@given(SCORED)
def test_scores_are_those_of_the_official_script(rows):
    examples, predicted = with_golds(rows)
    exact = overlap = 0.0
    for example, prediction in zip(examples, predicted, strict=True):
        golds = [text for text, _ in example.answers]
        exact += max(official_normalise(prediction) == official_normalise(gold) for gold in golds)
        overlap += max(official_f1(prediction, gold) for gold in golds)
    scores = TASK.score(examples, predicted)
    assert scores["accuracy"] == pytest.approx(exact / len(rows))
    assert scores["f1"] == pytest.approx(overlap / len(rows))


@settings(deadline=None)
@given(SCORED)
def test_scores_follow_from_the_columns(rows):
    examples, predicted = with_golds(rows)
    columns = TASK.columns(examples, predicted)
    for metric in TASK.metrics:
        assert TASK.score(examples, predicted)[metric.name] == pytest.approx(recompute(metric, columns))


def test_answers_that_normalise_to_nothing_match_but_share_no_word():
    example = QuestionExample("q", "who", "the --", (("the", 0),))
    assert TASK.score([example], ["--"]) == {"f1": 0.0, "accuracy": 1.0}


def test_the_trivial_prediction_is_no_answer():
    example = QuestionExample("q", "who", "Ada", (("Ada", 0),))
    assert TASK.trivial([example], [example]) == [""]
    assert TASK.score([example], [""]) == {"f1": 0.0, "accuracy": 0.0}


def test_the_reference_column_has_each_gold_answer_once():
    example = QuestionExample("q", "who", "Ada or Bob", (("Ada", 0), ("Bob", 7), ("Ada", 0)))
    assert TASK.columns([example], ["Ada"])["reference"] == ["Ada | Bob"]
