"""Questions on contexts: from JSON in SQuAD's layout, and from cells of a table in any notation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bench.contracts import BenchError
from bench.data.squad_layout import articles_of, is_wrong, questions_of, start_of
from bench.text import counted
from bench.user_data.literals import parse
from bench.user_data.tables import MISSING
from bench.user_data.values import as_text, is_cell_error

FAR = 10  # characters from its stated place beyond which an answer that stands elsewhere, too, may be another

Place = int | str | None
"""The first character of an answer in its context; None where none is stated; why it cannot be read, in words."""

Answer = tuple[str, Place]

WHOLE = re.compile(r"[-+]?\d{1,18}(\.0{0,2}|,0{1,2})?")
"""A whole number, also as a float; `1,000` and `1.000` may be a thousand."""


BEFORE = re.compile(r"(\d|\d[.,])$")
AFTER = re.compile(r"\d|[.,]\d")


class UnclearPlace(ValueError):
    """The place of an answer that is in its context several times cannot be read."""


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
    if isinstance(start, str) and (start.lstrip()[:1] == "[" or start.startswith("array(")):
        found = parse(start)
        start = start if found is None else found
    value = _written(value)
    if isinstance(value, str):
        return _paired([value], start)
    if isinstance(value, Mapping):
        texts, stated = value.get("text"), start_of(value)
        return _paired(texts if isinstance(texts, list) else [texts], start if stated is None else stated)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _paired(value, start)
    if isinstance(value, list):
        starts = start if isinstance(start, list) and len(start) == len(value) else [start] * len(value)
        found = [
            _paired(item[:1], item[1]) if _is_pair(item) else answers_of(item, own)
            for item, own in zip(value, starts, strict=True)
            if not (isinstance(item, Mapping) and is_wrong(item))
        ]
        return None if None in found else [pair for pairs in found for pair in pairs or ()]
    return [] if value is None else None


def place_answers(
    context: str, answers: Iterable[Answer]
) -> tuple[str, tuple[tuple[str, int], ...], list[str]]:
    """The context, each distinct answer once with its place in it, and what was done on the way (keys of
    `examples.DONE`). A stated place counts characters, or bytes or units of UTF-16 if only that fits; else the
    nearest place that has the answer is used. A place within a word, as Rome in Romeo, is used only where it is
    stated, or where there is no other; a part of a number, or the first letter of a word, only where it is stated.
    UnclearPlace."""
    answers = list(answers)
    done: dict[str, None] = {}
    placed: dict[tuple[str, int], None] = {}
    if not any(text.strip() in context for text, _ in answers if text.strip()):
        composed = unicodedata.normalize("NFC", context)
        answers = [(unicodedata.normalize("NFC", text), _composed(context, place)) for text, place in answers]
        if any(text.strip() in composed for text, _ in answers if text.strip()):
            context = composed
            done["composed"] = None
    for given, stated in answers:
        text = given.strip()
        start = None if isinstance(stated, int) and stated < 0 else stated  # -1 stands for none
        if start is None and _is_missing(text, context):
            continue
        places = [match.start() for match in re.finditer(re.escape(text), context)] if text else []
        if not places:
            continue
        strict = [place for place in places if not _cuts_number(context, place, place + len(text))]
        whole = [place for place in strict if not _cuts_word(context, place, place + len(text))]
        whole = whole or [place for place in strict if len(text) > 1 or not _goes_on(context, place)]
        if isinstance(start, int):
            found = _nearest(context, start + len(given) - len(given.lstrip()), places, whole)
        else:
            found = _first(text, start, whole) if whole else None
        if found is None:
            continue
        place, how = found
        if how:
            done[how] = None
        placed[text, place] = None
    return context, tuple(placed), list(done)


def _is_missing(text: str, context: str) -> bool:
    """Whether an answer without a place stands for none, as `nan` and `-` do: it is no word of its context."""
    if text.casefold() not in MISSING:
        return False
    return not text.isalpha() or not re.search(rf"\b{re.escape(text)}\b", context)


def _composed(context: str, place: Place) -> Place:
    """A place in a context as it is once its accents are composed."""
    if not isinstance(place, int) or place <= 0:
        return place
    return len(unicodedata.normalize("NFC", context[:place]))


def _first(text: str, unread: str | None, places: list[int]) -> tuple[int, str]:
    """The first place of an answer of which none is stated, or one that cannot be read; and a key of
    `examples.DONE`. UnclearPlace where it may be another."""
    if unread and len(places) > 1:
        raise UnclearPlace(
            f"the answer '{text[:40]}' is in the context {len(places)} times, and its place cannot be read "
            f"({unread}): give the number of its first character, or leave it empty"
        )
    return places[0], "moved" if unread else "twice" if len(places) > 1 else ""


def _nearest(context: str, stated: int, places: list[int], whole: list[int]) -> tuple[int, str] | None:
    """The place that is meant by a stated one, and how it was found: a key of `examples.DONE`, '' where it fits.
    None where it is at none, and each would be a part of a number or a word."""
    if stated in places:
        return stated, ""
    for how, code in (("bytes", "utf-8"), ("units", "utf-16-le")):
        found = character_at(context, stated * (2 if how == "units" else 1), code)
        if found in places:
            return found, how
    if not whole:
        return None
    nearest = min(whole, key=lambda place: abs(place - stated))
    is_far = len(whole) > 1 and abs(nearest - stated) > FAR
    return nearest, "far" if is_far else "moved"


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Whether a letter or digit before or after belongs to the same word. Scripts without case count no words."""
    before = start > 0 and _is_letter(text[start - 1]) and _is_letter(text[start])
    return before or (end < len(text) and _is_letter(text[end - 1]) and _is_letter(text[end]))


def _cuts_number(text: str, start: int, end: int) -> bool:
    """Whether a number goes on before or after, as 1 does in 11, in 1.14 and in 1,000."""
    return bool(
        (text[start].isdecimal() and BEFORE.search(text[max(0, start - 2) : start]))
        or (text[end - 1].isdecimal() and AFTER.match(text[end : end + 2]))
    )


def _goes_on(text: str, place: int) -> bool:
    """Whether a word goes on after its letter at this place."""
    return place + 1 < len(text) and _is_letter(text[place + 1])


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
    """Whether an answer is a list of its text and place."""
    if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[0], str):
        return False
    return not (isinstance(item[1], str) and isinstance(_place(item[1]), str))


def _paired(texts: Sequence[Any], start: Any) -> list[Answer] | None:
    """The answers, each with its place; None where one is no text."""
    places = [_place(item) for item in (start if isinstance(start, list) else [start])]
    if len(texts) == 1:
        places = places[:1]  # further ones are where it stands again, or its end
    if all(place is None for place in places):
        places = [None] * len(texts)
    if len(places) != len(texts):
        places = [f"{counted(len(places), 'place')} for {counted(len(texts), 'answer')}"] * len(texts)
    pairs = [(_written(text), place) for text, place in zip(texts, places, strict=True)]
    return [pair for pair in pairs if pair[0].strip()] if all(isinstance(t, str) for t, _ in pairs) else None


def _written(value: Any) -> Any:
    """A number as it is written; anything else as it is."""
    return as_text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _place(value: Any) -> Place:
    text = as_text(value)
    if not text or text.casefold() in MISSING or is_cell_error(text):
        return None
    return int(re.split("[.,]", text)[0]) if WHOLE.fullmatch(text) else f"'{text[:30]}' is no whole number"
