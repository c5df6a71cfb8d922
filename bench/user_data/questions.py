"""Questions on contexts: JSON in SQuAD's layout (1.1 and 2.0; Rajpurkar et al. 2016, 2018), and rows of a table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.contracts import BenchError
from bench.user_data.tables import parse_json
from bench.user_data.text_files import encoding_of, whole_text

Answer = tuple[str, int | None]
"""A text, and its first character in the context where that is known."""


class _Answer(BaseModel, strict=True):
    text: str
    answer_start: int


class _Question(BaseModel, strict=True):
    id: str | int = ""
    question: str
    answers: list[_Answer] = []


class _Paragraph(BaseModel, strict=True):
    context: str
    qas: list[_Question]


class _Article(BaseModel, strict=True):
    title: str = ""
    paragraphs: list[_Paragraph]


def is_squad(path: Path) -> bool:
    """Whether a JSON file has SQuAD's layout, by its beginning."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).lstrip(b"\xef\xbb\xbf \r\n\t")
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror or error})") from error
    return start.startswith(b"{")


def read_squad(path: Path) -> Iterator[dict[str, Any]]:
    """Rows with id, question, context, answers (a list of `Answer`) and group (the article). BenchError."""
    value = parse_json(whole_text(path, encoding_of(path)), path.name)
    try:
        articles = TypeAdapter(list[_Article]).validate_python(value["data"])
    except (KeyError, TypeError) as error:
        raise BenchError(f"{path.name} is not in SQuAD's layout: it has no list 'data'") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("data", *first["loc"])))
        raise BenchError(f"{path.name} is not in SQuAD's layout: {place}: {first['msg']}") from error
    for number, article in enumerate(articles):
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                yield {
                    "id": str(question.id),
                    "question": question.question,
                    "context": paragraph.context,
                    "answer": [(answer.text, answer.answer_start) for answer in question.answers],
                    "group": (article.title or f"article {number}") if len(articles) > 1 else "",
                }


def answers_of(value: Any, start: Any) -> list[Answer] | None:
    """The answers in a cell: a text, the hub's {"text": […], "answer_start": […]}, a list of answers, or the
    JSON of one of them; None where it is nothing of that kind."""
    if isinstance(value, str) and value[:1] in "[{":
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, str):
        return [(value, _whole(start))] if value.strip() else []
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        starts = value.get("answer_start")
        starts = (
            starts
            if isinstance(starts, list) and len(starts) == len(value["text"])
            else [None] * len(value["text"])
        )
        return _pairs(zip(value["text"], starts, strict=True))
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return _pairs([(value["text"], value.get("answer_start"))])
    if isinstance(value, list):
        found = [answers_of(item, None) if not _is_pair(item) else _pairs([item]) for item in value]
        return None if None in found else [pair for pairs in found for pair in pairs or ()]
    return [] if value is None else None


def _is_pair(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)


def _pairs(pairs: Any) -> list[Answer] | None:
    found = [(text, _whole(start)) for text, start in pairs]
    return found if all(isinstance(text, str) for text, _ in found) else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None
