"""Text for people: one printable line, counted nouns, durations; and JSON for programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_OBEYED = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What a terminal would obey, controls of ASCII aside: C1, ends of lines, and bidirectional
control characters; and halves of characters, which a file in UTF-8 cannot hold."""
_RAW = re.compile(f"[{_OBEYED}]")
_UNPRINTABLE = re.compile(f"[\\x00-\\x1f{_OBEYED}]+")


def printable(text: str) -> str:
    """Text on one line, without control characters (terminal escapes among them), bidirectional ones included, and
    without lone surrogates."""
    return _UNPRINTABLE.sub(" ", text)


def clipped(name: str, most: int = 48) -> str:
    """A name, such as a label that is a whole text, in at most so many characters: its start and its end."""
    end = most // 4
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def json_text(value: Any) -> str:
    """JSON, indented, with control characters escaped. A number that is not finite becomes null: JSON has none."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 text`, `2 texts`, `1,200 classes`: the number and the noun in the form that goes with it."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_of(names: Iterable[object], most: int = 3) -> str:
    """`a, b, c and 4 more`: the first names, and how many others there are."""
    every = [str(name) for name in names]
    others = f" and {len(every) - most:,} more" if len(every) > most else ""
    return f"{', '.join(every[:most])}{others}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min` or `4 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 72 * 60 else f"{minutes / 1440:.0f} days"
