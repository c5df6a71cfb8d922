"""Entities of a sentence from its tags, as the scores count them: by the rule of conlleval.

The tags of IOB2, of which a large run has a million sentences, are read here; any others through seqeval."""

from __future__ import annotations

import re
from functools import lru_cache

Span = tuple[str, int, int]
"""The type of an entity, its first word, and the word after its last."""

_IOB = re.compile(r"O|[BI]-.+", re.DOTALL)


@lru_cache(maxsize=20_000)
def spans(tags: str) -> frozenset[Span]:
    """The entities in space-separated tags, as a prediction file has them.

    Most seeds tag most sentences alike, so each tagging is parsed once."""
    words = tags.split(" ")
    if not all(map(_IOB.fullmatch, set(words))):
        from seqeval.metrics.sequence_labeling import get_entities

        return frozenset((kind, start, last + 1) for kind, start, last in get_entities(words))
    found, kind, start = [], "", 0
    for place, tag in enumerate(words):
        if kind and tag != f"I-{kind}":
            found.append((kind, start, place))
            kind = ""
        if tag != "O" and not kind:
            kind, start = tag[2:], place
    return frozenset([*found, (kind, start, len(words))] if kind else found)


def types(tags: str) -> list[str]:
    """The entity type of every word, or O."""
    return [tag.partition("-")[2] or "O" for tag in tags.split(" ")]
