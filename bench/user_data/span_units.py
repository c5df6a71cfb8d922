"""What the places of spans count: characters, or the units of UTF-16 or bytes that other languages count in.

They differ where a text has an emoji (UTF-16, as in JavaScript and Java) or any letter beyond ASCII (bytes)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.user_data.questions import character_at

UNITS = {"utf-16-le": "units of UTF-16", "utf-8": "bytes"}
"""What is counted other than characters, by the encoding that counts it."""

FITTING = 0.9  # share of the spans that must fit in another unit

Placed = tuple[int, int, str]
"""The start and end of a span, and what the file says is there ('' where it says nothing)."""


def unit_of(texts: Iterable[tuple[str, Sequence[Placed], Sequence[tuple[int, int]]]]) -> str:
    """The key of UNITS that places count, '' for characters. texts: those beyond ASCII, each with its spans and the
    places of its words. Only spans that end elsewhere in the two ways of counting tell them apart."""
    fits: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for text, spans, words in texts:
        starts, ends = {a for a, _ in words}, {b for _, b in words}
        for start, end, written in spans:
            for unit in UNITS:
                a, b = in_characters(text, start, unit), in_characters(text, end, unit)
                if (a, b) == (start, end):
                    continue
                told[unit] += 1
                fits[unit] += text[a:b].strip() == written.strip() if written else a in starts and b in ends
                usual = (
                    text[start:end].strip() == written.strip() if written else start in starts and end in ends
                )
                fits[f"not {unit}"] += usual
    for unit in UNITS:
        if told[unit] and fits[unit] >= FITTING * told[unit] and fits[unit] > fits[f"not {unit}"]:
            return unit
    return ""


def in_characters(text: str, place: int, unit: str) -> int:
    """A place as a number of characters; -1 where it is within a character."""
    if not unit or text.isascii():
        return place
    found = character_at(text, place * (2 if unit == "utf-16-le" else 1), unit)
    return -1 if found is None else found
