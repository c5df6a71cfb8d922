"""Questions on one context stay together, whatever article they are of."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from bench.contracts import QuestionExample, digest
from bench.text import counted


def composed(context: str) -> str:
    """A context with its accents (NFC) and blanks written in one way: what is the same for a reader is one
    context."""
    return " ".join(unicodedata.normalize("NFC", context).split())


def group_of(context: str) -> str:
    """The group of the questions on a context of no article: its start, and a digest."""
    same = composed(context)
    return f"{same[:40]} ({digest(same)})"


def joined(rows: Sequence[QuestionExample]) -> list[QuestionExample]:
    """The rows; groups that have a context in common are one, with the name of one of them."""
    heads: dict[str, str] = {}  # a group: one that it is joined to, or itself
    owners: dict[str, str] = {}  # a context: the group that had it first

    def head(group: str) -> str:
        while heads[group] != group:
            heads[group] = heads[heads[group]]
            group = heads[group]
        return group

    for row in rows:
        heads.setdefault(row.group, row.group)
        owner = owners.setdefault(composed(row.context), row.group)
        heads[head(row.group)] = head(owner)
    return [replace(row, group=head(row.group)) for row in rows]


def apart_if_few(rows: list[QuestionExample], least: int, notes: list[str]) -> list[QuestionExample]:
    """The rows; of fewer articles than `least`, each context is a group of its own, and a note says so."""
    articles = len({row.group for row in rows})
    if articles >= least or len({composed(row.context) for row in rows}) == articles:
        return rows
    notes.append(
        f"only {counted(articles, 'article')}: questions on different contexts of one article may be in different "
        "parts"
    )
    return [replace(row, group=f"{row.group}: {group_of(row.context)}") for row in rows]


def divided(train: Sequence[QuestionExample], held_out: Sequence[QuestionExample]) -> list[str]:
    """A note where groups that the user names divide the questions on one context."""
    contexts = {composed(row.context) for row in held_out}
    count = sum(composed(row.context) in contexts for row in train)
    if not count:
        return []
    return [
        f"look: {counted(count, 'training row is', 'training rows are')} on a context that held-out rows of "
        "another group have, too: a mild leak"
    ]
