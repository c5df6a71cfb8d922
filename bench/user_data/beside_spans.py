"""The columns of words and tags that rows have beside their spans of characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.user_data.column_names import by_name
from bench.user_data.columns import ROLES
from bench.user_data.tables import RawRow
from bench.user_data.values import listed


def own_tags(rows: Sequence[RawRow], columns: Sequence[str]) -> tuple[str, str] | None:
    """The columns of words and of as many tags; None where not all rows have them."""
    words = by_name(columns, ("tokens", "words"))
    tags = [c for name in ROLES["ner"]["tags"] for c in columns if c.lower() == name]
    return next(
        ((words, c) for c in tags if words and all(_fit(row.get(words), row.get(c)) for row in rows)), None
    )


def without_others(columns: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
    """The columns without those that are named like words or tags and not among the kept: they belong to other
    words."""
    others = {*ROLES["ner"]["words"], *ROLES["ner"]["tags"]}
    return tuple(column for column in columns if column in kept or column.lower() not in others)


def _fit(words: Any, tags: Any) -> bool:
    found, said = listed(words) or (), listed(tags) or ()
    return 0 < len(found) == len(said) and not any(
        isinstance(item, (Mapping, list)) for item in (*found, *said)
    )
