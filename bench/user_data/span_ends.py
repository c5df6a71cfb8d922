"""Whether the end of a span is the place after its last character, or that character, as some tools write it.

Where blanks stand between words, an end within a word tells. Each letter of the East Asian scripts is a word,
so there other things tell: the texts of spans, spans of one character, and what follows. A span is often
followed by a comma or a full stop, and hardly ever ends with one."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from bench.user_data.span_units import Placed, is_at_place, ways_of

FITTING = 0.9  # share of the spans that must end with a word
RARE = 0.02  # share of the spans that may end with a sign, such as a comma
OFTEN = 0.1  # share of the spans that must be followed by one
ENOUGH = 20  # spans from which it is no chance that none ends with one

PlacedText = tuple[str, Sequence[Placed], Sequence[tuple[int, int]]]
"""A text, its spans, and the places of its words."""


def ends_of(texts: Iterable[PlacedText]) -> str:
    """`after` where ends are the place after the last character, `last` where they are that character, `unclear`
    where nothing tells."""
    seen: Counter[str] = Counter()
    for text, spans, words in texts:
        ends = {end for _, end in words}
        quoted = any(written.strip() for _, _, written in spans)
        ways = ways_of(text) if quoted else []
        for start, end, written in spans:
            if written.strip():
                seen[_quoted(text, (start, end, written), ways)] += 1
            seen["spans"] += 1
            seen.update(_fits(text, (start, end, written), ends))
    if seen["written after"] or seen["written last"]:
        return "last" if seen["written last"] > seen["written after"] else "after"
    if not seen["spans"] or seen["last"] < FITTING * seen["spans"]:
        return "after"
    if seen["after"] < 0.5 * seen["spans"]:
        return "last"
    if seen["sign after"] > RARE * seen["spans"]:
        return "after"
    followed = seen["spans"] >= ENOUGH and seen["sign last"] >= OFTEN * seen["spans"]
    return "last" if followed or seen["one character"] else "unclear"


def _quoted(text: str, span: Placed, ways: Sequence[Callable[[int], int]]) -> str:
    """Where the end of a span is by its own text, in any way of counting; '' where the text is not there."""
    start, end, written = span
    for name, last in (("written after", end), ("written last", end + 1)):
        if is_at_place(text, (start, last, written), ways):
            return name
    return ""


def _fits(text: str, span: Placed, ends: set[int]) -> Iterator[str]:
    """In which of the two ways a span ends with a word, and whether a sign follows it then."""
    start, end, _ = span
    for name, last in (("after", end), ("last", end + 1)):
        if last in ends:
            yield name
            if _is_sign(text, last, start):
                yield f"sign {name}"
    if start == end and end + 1 in ends:
        yield "one character"


def _is_sign(text: str, place: int, start: int) -> bool:
    """Whether a sign, a blank or the end of the text is at a place. A bracket that closes one at the start of
    the span is a part of the span."""
    if place >= len(text):
        return True
    opened = 0 <= start < place and unicodedata.category(text[start]) in ("Ps", "Pi")
    return not text[place].isalnum() and not (opened and unicodedata.category(text[place]) in ("Pe", "Pf"))
