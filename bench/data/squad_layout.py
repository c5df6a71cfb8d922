"""SQuAD's JSON layout (1.1 and 2.0; Rajpurkar et al. 2016, 2018): articles of paragraphs of questions.

Users' own files may lack titles, ids or answers; every value that is present must have its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, TypeAdapter


def _as_number(value: Any) -> Any:
    """A number that was written as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class Answer(BaseModel, strict=True):
    text: str
    answer_start: Annotated[int | None, BeforeValidator(_as_number)] = None


class Question(BaseModel, strict=True):
    id: str | int = ""
    question: str
    answers: Annotated[list[Answer], BeforeValidator(lambda found: found or [])] = []
    is_impossible: bool = False


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
        items = [{"paragraphs": [paragraph]} for paragraph in items]
    return TypeAdapter(list[Article]).validate_python(items)


def questions_of(articles: list[Article]) -> Iterator[tuple[Article, Paragraph, Question]]:
    """Every question with its paragraph and article."""
    for article in articles:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                yield article, paragraph, question
