"""What the places of spans count: characters, or the units of UTF-16 or bytes that other languages count in.

They differ where a text has an emoji (UTF-16, as in JavaScript and Java) or any letter beyond ASCII (bytes)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

UNITS = {"utf-16-le": "units of UTF-16", "utf-8": "bytes"}
"""What is counted other than characters, by the encoding that counts it."""

FITTING = 0.9  # share of the spans that must fit in another unit
ENOUGH = 10_000  # spans that tell units apart, after which no more are looked at

Placed = tuple[int, int, str]
"""The start and end of a span, and what the file says is there ('' where it says nothing)."""


def unit_of(texts: Iterable[tuple[str, Sequence[Placed], Sequence[tuple[int, int]]]]) -> str:
    """The key of UNITS that places count, '' for characters. texts: those beyond ASCII, each with its spans and the
    places of its words. Only spans that end elsewhere in the two ways of counting tell them apart."""
    fits: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for text, spans, words in texts:
        if told.total() > ENOUGH:
            break
        starts, ends = {a for a, _ in words}, {b for _, b in words}
        places = {unit: characters_of(text, unit) for unit in UNITS}
        for start, end, written in spans:
            for unit in UNITS:
                a, b = places[unit](start), places[unit](end)
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


def ways_of(text: str) -> list[Callable[[int], int]]:
    """`characters_of` a text in every way of counting."""
    return [characters_of(text, unit) for unit in ("", *UNITS)]


def is_at_place(text: str, span: Placed, ways: Iterable[Callable[[int], int]]) -> bool:
    """Whether what the file says of a span is at its place in the text, in one of these ways of counting."""
    start, end, written = span
    places = ((way(start), way(end)) for way in ways)
    return any(0 <= a < b and text[a:b].strip() == written.strip() for a, b in places)


def characters_of(text: str, unit: str) -> Callable[[int], int]:
    """What turns a place in a text into a number of characters, -1 within a character and beyond the text."""
    if not unit or text.isascii():
        return lambda place: place
    size = 2 if unit == "utf-16-le" else 1
    sizes = (len(sign.encode(unit, "surrogatepass")) // size for sign in text)
    places = {place: number for number, place in enumerate(accumulate(sizes, initial=0))}
    return lambda place: places.get(place, -1)
