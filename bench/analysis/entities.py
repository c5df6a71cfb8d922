"""Entities of a sentence from its tags, as the scores count them: by the rule of conlleval, through seqeval."""

from __future__ import annotations

from functools import lru_cache

Span = tuple[str, int, int]
"""The type of an entity, its first word, and the word after its last."""


@lru_cache(maxsize=100_000)
def spans(tags: str) -> frozenset[Span]:
    """The entities in space-separated tags, as a prediction file has them.

    Most seeds tag most sentences alike, so each tagging is parsed once."""
    from seqeval.metrics.sequence_labeling import get_entities

    return frozenset((kind, start, last + 1) for kind, start, last in get_entities(tags.split(" ")))


def types(tags: str) -> list[str]:
    """The entity type of every word, or O."""
    return [tag.partition("-")[2] or "O" for tag in tags.split(" ")]
