"""CoNLL columns: one word a line with its tag last, a blank line after each sentence.

Tags may be IOB2, IOB1 (the published CoNLL-2003: B- only between two entities of a type), or IOBES and BILOU; all
become IOB2. Ramshaw and Marcus (1995), Tjong Kim Sang and Veenstra (1999), Ratinov and Roth (2009) define them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError
from bench.user_data.text_files import encoding_of, lines_of

OPENS = {"S": "B", "U": "B", "B": "B", "I": "I", "E": "I", "L": "I"}


@dataclass(frozen=True)
class Sentence:
    """Words and tags as they stand in the file; `line` is that of the first word, `document` counts -DOCSTART-."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    line: int
    document: int


def read_conll(path: Path) -> Iterator[Sentence]:
    """The sentences of a file, one after another. Columns are separated by tabs or blanks; a line that
    starts with `#` and has other columns than the sentence around it is a comment. BenchError names the line
    that has no tag."""
    words: list[str] = []
    tags: list[str] = []
    first, width, document = 0, 0, 0
    for number, line in enumerate(lines_of(path, encoding_of(path)), 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if fields[:1] == ["-DOCSTART-"]:
            document += 1
            fields = []
        if not any(field.strip() for field in fields):
            if words:
                yield Sentence(tuple(words), tuple(tags), first, document)
            words, tags = [], []
            continue
        if line.startswith("#") and len(fields) != (width or 2):
            continue
        if len(fields) < 2 or not fields[0].strip() or not fields[-1].strip():
            raise BenchError(f"{path.name}, line {number}: '{line[:40]}' is not a word and its tag")
        if not words:
            first = number
        width = len(fields)
        words.append(fields[0].strip())
        tags.append(fields[-1].strip())
    if words:
        yield Sentence(tuple(words), tuple(tags), first, document)


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """`IOB2`, `IOB1`, `IOBES` (or BILOU), or `none` where there are types without a place, of tag sequences."""
    places: set[str] = set()
    opened_by_i = False
    for tags in sentences:
        before = "O"
        for tag in tags:
            place, dash, kind = tag.partition("-")
            if tag != "O" and (not dash or not kind or place not in OPENS):
                return "none"
            opened_by_i |= place == "I" and before[1:] != tag[1:]
            places.add(place)
            before = tag
    if places & {"S", "E", "U", "L"}:
        return "IOBES"
    return "IOB1" if opened_by_i else "IOB2"


def to_iob2(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Tags of a scheme as IOB2. In `none` every run of one type is an entity."""
    found = []
    before = "O"
    for tag in tags:
        if tag == "O":
            found.append(tag)
        elif scheme == "none":
            found.append(f"{'I' if before == tag else 'B'}-{tag}")
        else:
            place, kind = OPENS[tag[0]], tag[2:]
            continues = before != "O" and before[2:] == kind and before[0] not in "SUEL"
            found.append(f"{'I' if place == 'I' and continues else 'B'}-{kind}")
        before = tag
    return tuple(found)
