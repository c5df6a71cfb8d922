"""Text for people: one printable line, counted nouns, and durations."""

from __future__ import annotations

import re


def printable(text: str) -> str:
    """Text without control characters (terminal escapes among them), and on one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 text`, `2 texts`, `1,200 classes`: the number and the noun in the form that goes with it."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min` or `4 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 72 * 60 else f"{minutes / 1440:.0f} days"
