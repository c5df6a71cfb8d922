"""CoNLL columns: one word a line with its tag, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError
from bench.user_data.encodings import Encoding
from bench.user_data.literals import words_of
from bench.user_data.text_files import lines_of

DOCUMENT = "-DOCSTART-"
START = re.compile(rf"{DOCUMENT}|# newdoc\b|#begin document\b")
"""What starts a document in CoNLL-2003, CoNLL-U and CoNLL-2012."""

PART = re.compile(r"; part \d+\s*$")
"""What CoNLL-2012 writes after the name of a document, of which each part has a line of its own."""

PLACED = re.compile(r"[BIESLUMWbieslumw][-_]\S+")
"""A tag of a place and a type."""

JOINED = re.compile(r".+[|/](O|[BIESLU]-\S+)")
"""A word and its tag in one, as in `Oslo|B-LOC`."""


@dataclass(frozen=True)
class Sentence:
    """Words and tags as they stand in the file; `line` is that of the first word, `document` counts lines that
    start one."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    line: int
    document: int


@dataclass(frozen=True)
class Columns:
    """How a file's lines are split into columns. word, tag: places of columns. header: the number of its line,
    0 for none. indexed: the first column counts the words. known: the tags of lines that are no comments."""

    path: Path
    encoding: Encoding
    tabs: bool
    width: int
    word: int = 0
    tag: int = -1
    header: int = 0
    indexed: bool = False
    known: frozenset[str] = frozenset()

    def cut(self, line: str) -> list[str]:
        if self.tabs:
            cells = [cell.strip(" ") for cell in line.split("\t")] if line.strip(" \t") else []
            while len(cells) > self.width and not cells[-1]:
                cells.pop()
            return cells
        return words_of(line)

    def is_comment(self, line: str, fields: Sequence[str]) -> bool:
        """A line whose word is `#` has a known tag or type; one whose word is a hashtag has a place and a type."""
        if not line.startswith("#"):
            return False
        if len(fields) != self.width:
            return True
        tag = fields[self.tag]
        placed = " " not in fields[0] and PLACED.fullmatch(tag)
        of_a_word = placed and (len(fields[0]) > 1 or any(known[2:] == tag[2:] for known in self.known))
        return tag not in self.known and not of_a_word

    def sentences(self) -> Iterator[Sentence]:
        """The sentences of the file, one after another. BenchError names a line of another width."""
        words: list[str] = []
        tags: list[str] = []
        first = document = 0
        begun = ""
        for number, line in enumerate(lines_of(self.path, self.encoding), 1):
            starts = bool(START.match(line))
            fields = [] if starts else self.cut(line)
            if not fields:
                if words:
                    yield Sentence(tuple(words), tuple(tags), first, document)
                words, tags = [], []
                if starts:
                    name = PART.sub("", line)
                    document += name != begun or name == line
                    begun = name
                continue
            if number == self.header or self.is_comment(line, fields):
                continue
            if len(fields) != self.width or not fields[self.word] or not fields[self.tag]:
                raise self._odd(number, line, len(fields))
            if self.indexed and not fields[0].isdecimal():
                continue
            first = first if words else number
            words.append(fields[self.word])
            tags.append(fields[self.tag])
        if words:
            yield Sentence(tuple(words), tuple(tags), first, document)

    def _odd(self, number: int, line: str, width: int) -> BenchError:
        name = f"{self.path.name}, line {number:,}"
        if all(JOINED.fullmatch(field) for field in words_of(line)):
            return BenchError(
                f"{name}: '{line[:40]}' has words joined to their tags: write a word and its tag a line, and a "
                "blank line after each sentence",
                code="not-a-word-and-tag",
            )
        if self.tabs and "\t" not in line and len(words_of(line)) == self.width:
            return BenchError(
                f"{name}: '{line[:40]}' has blanks between its columns, most lines have tabs: use one of them",
                code="mixed-separators",
            )
        if width == self.width or width < 2:
            return BenchError(f"{name}: '{line[:40]}' is not a word and its tag", code="not-a-word-and-tag")
        return BenchError(
            f"{name}: '{line[:40]}' has {width} columns, most lines have {self.width}: correct it, or separate "
            "columns by tabs",
            code="ragged-columns",
        )
