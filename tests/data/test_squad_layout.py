"""SQuAD's layout: every value that is present has its type, so that nothing is read as what it is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bench.data.squad_layout import articles_of, is_squad, questions_of

ANSWER: dict[str, Any] = {"text": "c", "answer_start": 0}
QUESTION: dict[str, Any] = {"question": "q", "answers": [ANSWER]}


def read(answer: dict[str, Any] | None = None, question: dict[str, Any] | None = None) -> Any:
    asked = {**QUESTION, "answers": [{**ANSWER, **(answer or {})}], **(question or {})}
    (found,) = questions_of(articles_of([{"context": "c", "qas": [asked]}]))
    return found[2]


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ({"answer_start": True}, None),
        ({"answer_start": 1.0}, None),
        ({"answer_start": "1.0"}, None),
        ({"answer_start": "²"}, None),
        ({"text": 5}, None),
        (None, {"is_impossible": 1}),
        (None, {"is_impossible": "no"}),
        (None, {"id": 1.0}),
        (None, {"question": 5}),
    ],
)
def test_a_value_of_another_type_is_refused(answer: Any, question: Any) -> None:
    with pytest.raises(ValidationError):
        read(answer, question)


def test_a_place_may_be_written_as_text_or_left_out() -> None:
    assert [read({"answer_start": place}).answers[0].answer_start for place in (3, "12", None)] == [
        3,
        12,
        None,
    ]
    assert read(None, {"answers": None, "is_impossible": True}).answers == []


def test_a_list_is_of_paragraphs_only_where_all_its_items_are() -> None:
    paragraph = {"context": "c", "qas": [QUESTION]}
    article = {"title": "t", "paragraphs": [paragraph]}
    assert is_squad([article, 5])
    assert [found.title for found in articles_of([article])] == ["t"]
    titled = [{**paragraph, "title": title} for title in ("t", 5, None)]
    assert [found.title for found in articles_of([*titled, paragraph])] == ["t", "5", "", ""]
    with pytest.raises(ValidationError):
        articles_of([paragraph, article])
    assert articles_of([]) == []
