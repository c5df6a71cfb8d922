"""Text for people: one printable line, and durations."""

from __future__ import annotations

import re


def printable(text: str) -> str:
    """Text without control characters (terminal escapes among them), and on one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min` or `4 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 72 * 60 else f"{minutes / 1440:.0f} days"
