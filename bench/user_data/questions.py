"""Questions on contexts: from JSON in SQuAD's layout, and from cells of a table in any notation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from bench.contracts import BenchError
from bench.data.squad_layout import articles_of, questions_of
from bench.user_data.literals import parse

Answer = tuple[str, int | None]
"""A text, and its first character in the context where that is known."""


def squad_rows(value: Any, where: str) -> Iterator[dict[str, Any]]:
    """Rows with id, question, context, answer (a list of `Answer`) and group (the article). BenchError."""
    try:
        articles = articles_of(value)
    except (KeyError, TypeError) as error:
        raise BenchError(
            f"{where} is neither a list of objects nor SQuAD's layout: give one of them", code="not-squad"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("data", *first["loc"])))
        raise BenchError(
            f"{where} is not in SQuAD's layout: {place}: {first['msg']}", code="not-squad"
        ) from error
    numbers = {id(article): number for number, article in enumerate(articles)}
    for article, paragraph, question in questions_of(articles):
        answers = () if question.is_impossible else question.answers
        yield {
            "id": str(question.id),
            "question": question.question,
            "context": paragraph.context,
            "answer": [(answer.text, answer.answer_start) for answer in answers],
            "group": (article.title or f"article {numbers[id(article)]}") if len(articles) > 1 else "",
        }


def answers_of(value: Any, start: Any) -> list[Answer] | None:
    """The answers in a cell: a text, the hub's {"text": […], "answer_start": […]}, a list of answers, or one of
    them written out in JSON's or Python's notation; None for anything else."""
    if isinstance(value, str) and (value.lstrip()[:1] in ("[", "{") or value.startswith("array(")):
        found = parse(value)
        value = value if found is None else found
    if isinstance(start, str) and start.lstrip()[:1] == "[":
        start = parse(start)
    if isinstance(value, str):
        start = start[0] if isinstance(start, list) and start else start
        return [(value, _whole(start))] if value.strip() else []
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        starts = value.get("answer_start")
        starts = starts if isinstance(starts, list) else [starts]
        return _paired(value["text"], starts)
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return _pairs([(value["text"], value.get("answer_start"))])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _paired(value, start if isinstance(start, list) else [start])
    if isinstance(value, list):
        found = [answers_of(item, None) if not _is_pair(item) else _pairs([item]) for item in value]
        return None if None in found else [pair for pairs in found for pair in pairs or ()]
    return [] if value is None else None


def place_answers(
    context: str, answers: Iterable[Answer]
) -> tuple[str, tuple[tuple[str, int], ...], list[str]]:
    """The context, each distinct answer once with its place in it, and what was done on the way (keys of
    `examples.DONE`). A stated place counts characters, or bytes if only that fits; else the nearest place that
    has the answer is used."""
    answers = list(answers)
    done: dict[str, None] = {}
    placed: dict[tuple[str, int], None] = {}
    if not any(text.strip() in context for text, _ in answers if text.strip()):
        composed = unicodedata.normalize("NFC", context)
        answers = [(unicodedata.normalize("NFC", text), None) for text, _ in answers]
        if any(text.strip() in composed for text, _ in answers if text.strip()):
            context = composed
            done["composed"] = None
    for given, start in answers:
        text = given.strip()
        places = [match.start() for match in re.finditer(re.escape(text), context)] if text else []
        if not places:
            continue
        if start is None:
            if len(places) > 1:
                done["twice"] = None
            placed[text, places[0]] = None
            continue
        exact = start + len(given) - len(given.lstrip())
        place = min(places, key=lambda found, wanted=exact: abs(found - wanted))
        if place != exact:
            of_byte = _of_byte(context, exact)
            done["bytes" if of_byte in places else "moved"] = None
            place = of_byte if of_byte in places else place
        placed[text, place] = None
    return context, tuple(placed), list(done)


def _of_byte(context: str, byte: int) -> int | None:
    """The character that starts at this byte of the context in UTF-8, where there is one."""
    if context.isascii() or byte < 0:
        return None
    try:
        return len(context.encode()[:byte].decode())
    except UnicodeDecodeError:
        return None


def _is_pair(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)


def _paired(texts: list[Any], starts: list[Any]) -> list[Answer] | None:
    if len(starts) != len(texts):
        starts = [None] * len(texts)
    return _pairs(zip(texts, starts, strict=True))


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
