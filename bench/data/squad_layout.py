"""SQuAD's JSON layout (1.1 and 2.0; Rajpurkar et al. 2016, 2018): articles of paragraphs of questions.

Users' own files may lack titles, ids or answers; every value that is present must have its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter


class Answer(BaseModel, strict=True):
    text: str
    answer_start: int | None = None


class Question(BaseModel, strict=True):
    id: str | int = ""
    question: str
    answers: list[Answer] = []
    is_impossible: bool = False


class Paragraph(BaseModel, strict=True):
    context: str
    qas: list[Question]


class Article(BaseModel, strict=True):
    title: str = ""
    paragraphs: list[Paragraph]


def is_squad(value: Any) -> bool:
    """Whether a JSON value has a list of articles under 'data'."""
    articles = value.get("data") if isinstance(value, dict) else None
    return isinstance(articles, list) and any(isinstance(a, dict) and "paragraphs" in a for a in articles)


def articles_of(value: Any) -> list[Article]:
    """The articles; pydantic's ValidationError, KeyError or TypeError where the layout is another one."""
    return TypeAdapter(list[Article]).validate_python(value["data"])


def questions_of(articles: list[Article]) -> Iterator[tuple[Article, Paragraph, Question]]:
    """Every question with its paragraph and article."""
    for article in articles:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                yield article, paragraph, question
