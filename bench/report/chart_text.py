"""Text from records, made fit for the chart libraries.

Names in a run folder may come from a stranger. The library that draws charts aborts the interpreter on what XML
cannot hold, matplotlib writes it into broken SVG, and bidirectional marks turn the words around them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

LONGEST = 200
"""Characters of a text in a chart."""

_UNFIT = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


@lru_cache(maxsize=10_000)
def fit(text: str) -> str:
    """The text with unfit characters as `\\u001b`, so that different names stay different."""
    shown = _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def all_fit(value: Any) -> Any:
    """A JSON value with `fit` applied to each of its texts; its keys are ours."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, dict):
        return {
            key: fit(item)
            if type(item) is str
            else all_fit(item)
            if isinstance(item, (str, dict, list, tuple))
            else item
            for key, item in value.items()
        }
    return [all_fit(item) for item in value] if isinstance(value, (list, tuple)) else value
