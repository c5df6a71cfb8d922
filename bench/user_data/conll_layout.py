"""How a file of CoNLL columns is laid out, recognised by what its lines have in common.

Recognised, and reported in a note: which columns hold words and tags, whether the first line names the columns,
whether the first column counts the words (as in CoNLL-U), and which lines are comments."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.columns import ROLES, TEXT_ADAPTERS, TEXTS
from bench.user_data.conll import DOCUMENT, PLACED, Columns, Sentence
from bench.user_data.conll_columns import global_columns, named_columns, other_tags
from bench.user_data.encodings import Encoding, encoding_of
from bench.user_data.literals import words_of
from bench.user_data.tagging import OUTSIDES
from bench.user_data.text_files import lines_of

WIDEST = 10_000  # columns that no file has
PEEK = 1_000  # lines from which the separator is guessed
TAG = re.compile(r"O|[BIESLUMWbieslumw]([-_:].+)?|.+[-_:][BIESLUM]")
HEADER = re.compile(r"(ne|pos|.*(tag|label|ner|entity|entities|iob|bio).*)", re.IGNORECASE)
INDEX = re.compile(r"\d+([-.]\d+)?")
LABEL_NAMES = {name for adapter in TEXT_ADAPTERS for name in ROLES[adapter]["label"]}
NEARLY_ALL = 0.95  # lines that have a tag before the word, where tags come first
KEPT = 10_000  # distinct tags that are remembered


@dataclass
class _LineStatistics:
    """Statistics over all lines; tags are in the last column until another is chosen."""

    widths: Counter[int] = field(default_factory=Counter)
    first: tuple[int, list[str]] = (0, [])
    words: int = 0
    counting: int = 0  # words whose first column continues to count
    ranges: int = 0  # multiword tokens and empty nodes of CoNLL-U


def read_conll(path: Path) -> Iterator[Sentence]:
    """The sentences of a file whose columns are guessed. BenchError."""
    return open_conll(path, encoding_of(path), {})[0].sentences()


def open_conll(
    path: Path, encoding: Encoding, given: Mapping[str, str]
) -> tuple[Columns, list[str], Counter[str]]:
    """How a file is read, what was recognised, and how often which tag occurs. given: columns of words and tags by
    number or header. BenchError."""
    columns = _column_count(path, encoding)
    statistics = _line_statistics(columns)
    notes: list[str] = [encoding.note] if encoding.note else []
    indexed = columns.width > 2 and statistics.words > 0 and statistics.counting >= 0.95 * statistics.words
    columns = replace(columns, indexed=indexed, word=1 if indexed else columns.word, tag=columns.width - 1)
    plus = global_columns(columns)
    names = plus or statistics.first[1]
    if plus:
        columns = named_columns(columns, plus)
    for role, place in (("words", "word"), ("tags", "tag")):
        if given.get(role):
            columns = replace(columns, **{place: _column_index(given[role], role, columns, names)})
    columns = _apart(columns, given)
    tags = _tags(columns)
    if not given and not plus and _come_first(columns, tags):
        columns = replace(columns, word=1, tag=0)
        tags = _tags(columns)
        notes.append("tags are column 1, words are column 2")
    head = not plus and _is_header(names, columns, tags)
    if head:
        columns = replace(columns, header=statistics.first[0])
        tags[names[columns.tag]] -= 1
        notes.append(f"line {statistics.first[0]} names the columns ({' '.join(names)[:60]}) and is left out")
    elif not plus and any(given.get(role) and not _is_number(given[role]) for role in ("words", "tags")):
        raise BenchError(
            f"{path.name} has no line that names its columns: choose them by number, such as --tags "
            f"{columns.width}",
            code="unknown-column",
        )
    columns = replace(columns, known=frozenset(tag for tag, count in tags.items() if count))
    if columns.width == 10 and indexed and not plus and not given.get("tags"):
        raise BenchError(
            f"{path.name} has the 10 columns of CoNLL-U, none of which is for entities: choose one with --tags",
            code="implausible-tags",
        )
    notes += _notes(columns, statistics, given)
    if not given.get("tags"):
        notes += other_tags(columns)
    return columns, notes, +tags


def _come_first(columns: Columns, last: Counter[str]) -> bool:
    """Whether tags stand before their words. last: how often what stands in the last column."""
    if columns.width != 2 or any(PLACED.fullmatch(tag) for tag in last):
        return False
    lines = itertools.islice(lines_of(columns.path, columns.encoding), PEEK)
    cells = [columns.cut(line) for line in lines if not line.startswith(("#", DOCUMENT))]
    return _tags_come_first([fields for fields in cells if fields])


def _apart(columns: Columns, given: Mapping[str, str]) -> Columns:
    """With words and tags in different columns: of two columns the other one. BenchError."""
    if columns.word != columns.tag:
        return columns
    if columns.width == 2 and not (given.get("words") and given.get("tags")):
        place = "tag" if given.get("words") else "word"
        return replace(columns, **{place: 1 - columns.tag})
    missing = "tags" if given.get("words") else "words"
    raise BenchError(
        f"{columns.path.name}: column {columns.tag + 1} cannot hold both words and tags: say --{missing} COLUMN "
        f"(1 to {columns.width})",
        code="one-column-twice",
    )


def _notes(columns: Columns, statistics: _LineStatistics, given: Mapping[str, str]) -> list[str]:
    notes = []
    if columns.width > 2 and not given:
        reason = "column 1 counts the words, " if columns.indexed else ""
        notes.append(f"{reason}words are column {columns.word + 1}, tags are column {columns.tag + 1}")
    if columns.indexed and statistics.ranges:
        notes.append(f"{counted(statistics.ranges, 'line')} of multiword tokens and empty nodes are left out")
    comments = sum(
        columns.is_comment(line, columns.cut(line)) for line in lines_of(columns.path, columns.encoding)
    )
    if comments:
        notes.append(f"{counted(comments, 'comment line')} left out")
    return notes


def looks_tagged(path: Path, encoding: Encoding, named: Iterable[str] = ()) -> bool:
    """Whether a file whose name says nothing has a word and its tag a line, and blank lines between sentences, and
    is no table of texts. named: columns that the user names."""
    lines = list(itertools.islice(lines_of(path, encoding), PEEK))
    rows = [line for line in lines if line.strip() and not line.startswith(("#", DOCUMENT))]
    blank = sum(not line.strip() for line in lines[:-1])
    if not blank or not rows or _have_blanks(rows, 1) or _vary(rows):
        return False
    texts = _names_texts(rows[0], named) or _have_blanks(rows, WIDEST)
    cells = [fields for line in rows if len(fields := words_of(line)) > 1]
    last = [fields[-1] for fields in cells]
    tagged = sum(bool(TAG.fullmatch(tag)) or (tag in OUTSIDES and not texts) for tag in last)
    usual = tagged >= 0.5 * len(rows) or _tags_come_first(cells)
    return len(last) >= 0.9 * len(rows) and usual


def _tags_come_first(cells: Sequence[Sequence[str]]) -> bool:
    """Whether nearly all lines have a tag, such as B-PER and O, and then a word."""
    if any(len(fields) != 2 for fields in cells):
        return False
    first = Counter(tag for tag, _ in cells)
    placed = sum(count for tag, count in first.items() if PLACED.fullmatch(tag))
    tags = first["O"] + placed
    return bool(placed and first["O"]) and tags >= NEARLY_ALL * len(cells)


def _names_texts(line: str, named: Iterable[str]) -> bool:
    """Whether a line names a column of texts and one of their labels, as usual or as the user does."""
    names = {cell.strip().strip('"') for cell in re.split(r"[,;|\t]", line)}
    usual = {name.casefold() for name in names}
    return bool(usual & set(TEXTS) and usual & LABEL_NAMES) or len(names.intersection(named)) > 1


def _have_blanks(rows: Sequence[str], count: int) -> bool:
    """Whether most lines have tabs, and blanks within one of the first cells, as texts have."""
    cells = [row.split("\t") for row in rows]
    blanks = (len(found) > 1 and any(" " in cell.strip(" ") for cell in found[:count]) for found in cells)
    return sum(blanks) > len(rows) / 2


def _vary(rows: Sequence[str]) -> bool:
    """Whether no number of words is that of most lines."""
    widths = Counter(len(words_of(row)) for row in rows)
    return max(widths.values()) < len(rows) / 2


def is_divided(path: Path, encoding: Encoding) -> bool:
    """Whether nearly all lines of a file have the same columns, and several blank lines stand between them, none of
    which is the end of the file. No blank lines divide whole sentences, such as lists in cells."""
    lines = list(itertools.islice(lines_of(path, encoding), PEEK))
    while lines and not lines[-1].strip():
        lines.pop()
    rows = [line for line in lines if line.strip() and not line.startswith(("#", DOCUMENT))]
    tabs = sum("\t" in line for line in rows) > len(rows) / 2
    widths = Counter(len(line.split("\t") if tabs else words_of(line)) for line in rows)
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    blank = sum(not line.strip() for line in lines[1:])
    lists = any(cell.lstrip(' "').startswith("[") for row in rows[1:2] for cell in row.split("\t"))
    return blank > 1 and width > 1 and count >= 0.9 * len(rows) and not (lists or _hold_sentences(rows))


def _hold_sentences(rows: Sequence[str]) -> bool:
    """Whether the last cell of most lines has several words, as the tags of a sentence, and another one as many."""
    cells = ([len(words_of(cell)) for cell in row.split("\t")] for row in rows)
    return sum(counts[-1] > 1 and counts[-1] in counts[:-1] for counts in cells) > len(rows) / 2


def _column_count(path: Path, encoding: Encoding) -> Columns:
    """The separator, how many columns most lines have without empty ones at the end, and the first that is not
    empty. BenchError where most have one."""
    lines = [line for line in itertools.islice(lines_of(path, encoding), PEEK) if line.strip(" \t")]
    plain = [line for line in lines if not line.startswith(("#", DOCUMENT))] or lines
    tabs = sum("\t" in line for line in plain) > len(plain) / 2
    columns = Columns(path, encoding, tabs, WIDEST)
    widths = Counter(len(columns.cut(line)) for line in plain)
    width = widths.most_common(1)[0][0] if widths else 2
    while tabs and width > 2 and _is_empty(columns, plain, width - 1):
        width -= 1
    if width < 2:
        number = next(n for n, line in enumerate(lines_of(path, encoding), 1) if len(columns.cut(line)) == 1)
        raise BenchError(
            f"{path.name}, line {number:,}: '{plain[0][:40]}' is no word and its tag with a tab or blank between",
            code="not-a-word-and-tag",
        )
    first = next((place for place in range(width - 1) if not _is_empty(columns, plain, place)), 0)
    return replace(columns, width=width, word=first)


def _is_empty(columns: Columns, lines: Sequence[str], place: int) -> bool:
    """Whether a column holds nothing, as where every line ends with a tab."""
    return not any(cells[place] for line in lines if len(cells := columns.cut(line)) > place)


def _line_statistics(columns: Columns) -> _LineStatistics:
    found = _LineStatistics()
    expected = 0
    for number, line in enumerate(lines_of(columns.path, columns.encoding), 1):
        fields = columns.cut(line)
        if not fields or line.startswith(DOCUMENT):
            expected = 0
            continue
        if line.startswith("#"):
            continue
        if not found.first[0]:
            found.first = number, fields
        found.widths[len(fields)] += 1
        if not INDEX.fullmatch(fields[0]):
            found.words += number != found.first[0]  # the first line may name the columns
            continue
        if not fields[0].isdecimal():
            found.ranges += 1
            continue
        found.words += 1
        index = int(fields[0][:9])
        found.counting += index in ((0, 1) if not expected else (expected,))
        expected = index + 1
    return found


def _tags(columns: Columns) -> Counter[str]:
    """How often each tag occurs in lines that do not start with `#`."""
    counts: Counter[str] = Counter()
    for line in lines_of(columns.path, columns.encoding):
        fields = columns.cut(line)
        if len(fields) == columns.width and not line.startswith(("#", DOCUMENT)):
            tag = fields[columns.tag]
            if len(counts) < KEPT or tag in counts:
                counts[tag] += 1
    return counts


def _is_header(names: Sequence[str], columns: Columns, tags: Counter[str]) -> bool:
    """Whether the first line names the columns: its tag occurs nowhere else, and is named like a column of
    tags, or is not a tag where all others are."""
    if len(names) != columns.width or tags[names[columns.tag]] != 1:
        return False
    tag = names[columns.tag]
    if HEADER.fullmatch(tag) and not TAG.fullmatch(tag):
        return True
    others = [other for other in tags if other != tag]
    return tags.total() >= 20 and not TAG.fullmatch(tag) and all(TAG.fullmatch(other) for other in others)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d{1,4}", text))


def _column_index(given: str, role: str, columns: Columns, names: Sequence[str]) -> int:
    """The place of a column by number (from 1, or from the end with -1) or by its name in the first line."""
    if given in names:
        return names.index(given)
    if _is_number(given) and 1 <= abs(int(given)) <= columns.width:
        return int(given) - 1 if int(given) > 0 else columns.width + int(given)
    raise BenchError(
        f"{columns.path.name} has no column '{given}' for --{role}: it has {columns.width}, numbered from 1"
        + (f", or '{', '.join(names)[:80]}'" if names else ""),
        code="unknown-column",
    )
