"""Which columns of CoNLL files hold words and tags: by the names in CoNLL-U Plus, and by what else holds tags."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from bench.user_data.conll import DOCUMENT, PLACED, Columns
from bench.user_data.text_files import lines_of

WORDS = ("form", "word", "token")
ENTITIES = ("ner", "ne", "entity", "entities", "iob", "bio", "nertag", "ner_tag")
"""Names of columns in CoNLL-U Plus."""

PEEK = 1_000  # lines in which other columns of tags are looked for
TAGGED = 0.99  # share of a column's values that are tags


def global_columns(columns: Columns) -> list[str]:
    """The names of the columns that CoNLL-U Plus has in its first line; [] where there are none or not as many."""
    first = next(iter(lines_of(columns.path, columns.encoding)), "")
    found = re.match(r"#\s*global\.columns\s*=(.*)", first, re.IGNORECASE)
    names = found[1].split() if found else []
    return names if len(names) == columns.width else []


def named_columns(columns: Columns, names: Sequence[str]) -> Columns:
    """With the columns that are named like words and tags of entities."""
    lower = [name.rpartition(":")[2].casefold() for name in names]
    word = next((n for n, name in enumerate(lower) if name in WORDS), columns.word)
    tag = next((n for n, name in enumerate(lower) if name in ENTITIES), columns.tag)
    return replace(columns, word=word, tag=tag)


def other_tags(columns: Columns) -> list[str]:
    """A note on other columns that hold tags, such as those of chunks, or of entities within others."""
    places = [place for place in range(columns.width) if place not in (columns.word, columns.tag)]
    counts: dict[int, Counter[str]] = {place: Counter() for place in places}
    lines = itertools.islice(lines_of(columns.path, columns.encoding), PEEK) if places else ()
    for number, line in enumerate(lines, 1):
        fields = columns.cut(line)
        if number != columns.header and len(fields) == columns.width and not line.startswith(("#", DOCUMENT)):
            for place in places:
                counts[place][fields[place]] += 1
    notes = []
    for place, found in counts.items():
        tags = sorted(tag for tag in found if PLACED.fullmatch(tag))
        tagged = found["O"] + sum(found[tag] for tag in tags)
        if tags and found["O"] and tagged >= TAGGED * found.total():
            notes.append(
                f"look: column {place + 1} holds tags, too ({', '.join(tags[:3])}): --tags {place + 1} reads it"
            )
    return notes
