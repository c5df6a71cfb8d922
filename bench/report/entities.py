"""Entities of a sentence from its tags, as the scores count them: strict IOB2, by seqeval."""

from __future__ import annotations

from functools import lru_cache

Span = tuple[str, int, int]
"""The type of an entity, its first word, and the word after its last."""


@lru_cache(maxsize=100_000)
def spans(tags: str) -> frozenset[Span]:
    """The entities in space-separated tags, as a prediction file has them.

    Most seeds tag most sentences alike, so each tagging is parsed once."""
    from seqeval.scheme import IOB2, Entities

    found = Entities([tags.split(" ")], scheme=IOB2).entities[0]
    return frozenset((str(entity.tag), int(entity.start), int(entity.end)) for entity in found)


def types(tags: str) -> list[str]:
    """The entity type of every word, or O."""
    return [tag.partition("-")[2] or "O" for tag in tags.split(" ")]
