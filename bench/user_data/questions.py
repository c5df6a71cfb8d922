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
from bench.user_data.values import as_text, is_cell_error

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
            "answer": [(answer.text, answer.answer_start) for answer in answers if answer.text.strip()],
            "group": (article.title or f"article {numbers[id(article)]}") if len(articles) > 1 else "",
        }


def answers_of(value: Any, start: Any) -> list[Answer] | None:
    """The answers in a cell: a text, the hub's {"text": […], "answer_start": […]}, a list of answers, or one of
    them written out in JSON's or Python's notation; None for anything else, such as the error of a spreadsheet."""
    if is_cell_error(value):
        return None
    if isinstance(value, str) and (value.lstrip()[:1] in ("[", "{") or value.startswith("array(")):
        found = parse(value)
        value = value if found is None else found
    if isinstance(start, str) and start.lstrip()[:1] == "[":
        start = parse(start)
    value = _written(value)
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
    `examples.DONE`). A stated place counts characters, or bytes or units of UTF-16 if only that fits; else the
    nearest place that has the answer is used. A place within a word, as Rome in Romeo, is used only where it is
    stated, or where there is no other."""
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
        whole = [place for place in places if not _cuts_word(context, place, place + len(text))] or places
        if start is None:
            if len(whole) > 1:
                done["twice"] = None
            placed[text, whole[0]] = None
            continue
        exact = start + len(given) - len(given.lstrip())
        place, how = _nearest(context, exact, places, whole)
        if how:
            done[how] = None
        placed[text, place] = None
    return context, tuple(placed), list(done)


def _nearest(context: str, stated: int, places: list[int], whole: list[int]) -> tuple[int, str]:
    """The place that is meant by a stated one, and how it was found: a key of `examples.DONE`, '' where it fits."""
    if stated in places:
        return stated, ""
    for how, code in (("bytes", "utf-8"), ("units", "utf-16-le")):
        found = character_at(context, stated * (2 if how == "units" else 1), code)
        if found in places:
            return found, how
    return min(whole, key=lambda place: abs(place - stated)), "moved"


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Whether a letter or digit before or after belongs to the same word. Scripts without case count no words."""
    before = start > 0 and _is_letter(text[start - 1]) and _is_letter(text[start])
    return before or (end < len(text) and _is_letter(text[end - 1]) and _is_letter(text[end]))


def _is_letter(sign: str) -> bool:
    return sign.isdecimal() or sign.lower() != sign.upper()


def character_at(context: str, byte: int, code: str) -> int | None:
    """The character that starts at this byte of the context in an encoding, where there is one."""
    if context.isascii() or byte < 0:
        return None
    try:
        return len(context.encode(code)[:byte].decode(code))
    except UnicodeError:  # also half a character, which has no bytes
        return None


def _is_pair(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str)


def _paired(texts: list[Any], starts: list[Any]) -> list[Answer] | None:
    if len(starts) != len(texts):
        starts = [None] * len(texts)
    return _pairs(zip(texts, starts, strict=True))


def _pairs(pairs: Any) -> list[Answer] | None:
    found = [(_written(text), _whole(start)) for text, start in pairs]
    return [pair for pair in found if pair[0].strip()] if all(isinstance(t, str) for t, _ in found) else None


def _written(value: Any) -> Any:
    """A number as it is written; anything else as it is."""
    return as_text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None
