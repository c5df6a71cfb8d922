"""SQuAD's JSON layout (1.1 and 2.0; Rajpurkar et al. 2016, 2018): articles of paragraphs of questions.

Users' own files may lack titles, ids or answers, and may write answers as the hub does; every value that is present
must have its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, TypeAdapter, model_validator

STARTS = (
    *("answer_start", "start", "offset", "start_char", "char_start", "start_position", "start_index"),
    *("answer_offset", "answer_start_char", "start_offset", "span_start"),
)
"""The keys, and names of columns, under which an answer has its first character."""

ANSWERS = ("answers", "answer", "answer_text", "span")
"""The keys, and names of columns, under which a question has its answers."""

IMPOSSIBLE = ("is_impossible", "impossible", "is_unanswerable", "unanswerable", "no_answer")
ANSWERABLE = ("answerable", "is_answerable", "has_answer", "has_answers", "is_possible")
"""The keys, and names of columns, that say whether a question has no answer, or one."""

JUDGING = ("correct", "is_correct", "isCorrect", "isAnswer", "is_answer", "is_right", "label")
"""The keys of an answer that say whether it is right."""


def is_wrong(answer: Mapping[str, Any]) -> bool:
    """Whether an answer says of itself that it is not right, as candidates do."""
    return any(
        answer.get(key) in (False, 0, "0", "false", "False", "no", "wrong")
        for key in JUDGING
        if key in answer
    )


def _as_number(value: Any) -> Any:
    """A number that was written as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def start_of(answer: Mapping[str, Any]) -> Any:
    """The first character of an answer, or those of a list of answers; None where it is not stated."""
    return next((answer[key] for key in STARTS if answer.get(key) not in (None, [])), None)


def _as_answers(found: Any) -> Any:
    """A list of objects, where the hub has one object of lists, and others have bare texts. ValueError."""
    if isinstance(found, dict) and isinstance(texts := found.get("text"), list):
        stated = start_of(found)
        starts = [None] * len(texts) if stated is None else stated
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise ValueError("there must be as many places as texts")
        return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    items = found if isinstance(found, list) else [found] if found else []
    return [_as_answer(item) for item in items if not (isinstance(item, dict) and is_wrong(item))]


def _as_answer(item: Any) -> Any:
    if isinstance(item, str):
        return {"text": item}
    return {**item, "answer_start": start_of(item)} if isinstance(item, dict) else item


def _with_places(answers: Any, stated: Any) -> Any:
    """Bare texts with the places that stand beside them in their question; anything else as it is."""
    texts = [answers] if isinstance(answers, str) else answers
    places = [_as_number(place) for place in (stated if isinstance(stated, list) else [stated])]
    alike = isinstance(texts, list) and len(texts) == len(places) and all(isinstance(t, str) for t in texts)
    if not alike or not all(isinstance(place, int) for place in places):
        return answers
    return {"text": texts, "answer_start": places}


class Answer(BaseModel, strict=True):
    text: str
    answer_start: Annotated[int | None, BeforeValidator(_as_number)] = None


class Question(BaseModel, strict=True):
    id: str | int = ""
    question: str
    answers: Annotated[list[Answer], BeforeValidator(_as_answers)] = []
    is_impossible: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, given: Any) -> Any:
        """`answers` and `is_impossible`, by whatever name."""
        if not isinstance(given, dict):
            return given
        answers = next((given[key] for key in ANSWERS if given.get(key) is not None), None)
        given = {**given, "answers": _with_places(answers, start_of(given))}
        if "is_impossible" in given:
            return given
        found = [given[key] for key in IMPOSSIBLE if key in given]
        found += [not given[key] for key in ANSWERABLE if isinstance(given.get(key), bool)]
        return {**given, "is_impossible": found[0]} if found and isinstance(found[0], bool) else given


class Paragraph(BaseModel, strict=True):
    context: str
    qas: list[Question]


class Article(BaseModel, strict=True):
    title: Annotated[str, BeforeValidator(lambda found: found or "")] = ""
    paragraphs: list[Paragraph]


def is_squad(value: Any) -> bool:
    """Whether a JSON value has a list of articles under 'data', or is a list of articles or of paragraphs."""
    items = _items(value)
    return isinstance(items, list) and any(
        isinstance(a, dict) and ("paragraphs" in a or "qas" in a) for a in items
    )


def _items(value: Any) -> Any:
    return value.get("data") if isinstance(value, dict) else value


def articles_of(value: Any) -> list[Article]:
    """The articles; pydantic's ValidationError, KeyError or TypeError where the layout is another one."""
    items = _items(value)
    if isinstance(items, list) and items and all(isinstance(item, dict) and "qas" in item for item in items):
        items = [{"title": title_of(paragraph), "paragraphs": [paragraph]} for paragraph in items]
    return TypeAdapter(list[Article]).validate_python(items)


def title_of(paragraph: Mapping[str, Any]) -> str:
    """The title of a paragraph that is in no article; '' where it has none."""
    title = paragraph.get("title")
    return "" if title is None else str(title)


def questions_of(articles: list[Article]) -> Iterator[tuple[Article, Paragraph, Question]]:
    """Every question with its paragraph and article."""
    for article in articles:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                yield article, paragraph, question
