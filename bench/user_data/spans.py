"""Entities as spans of characters, as annotation tools and spaCy write them, turned into words and tags."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.beside_spans import own_tags, without_others
from bench.user_data.column_names import by_name
from bench.user_data.columns import ROLES, TEXT_ADAPTERS, TEXTS
from bench.user_data.own_words import without_own_words
from bench.user_data.span_cells import ALL_LABEL, END, LABEL, START, is_relation, items_of, span_of, spans_of
from bench.user_data.span_ends import PlacedText, ends_of
from bench.user_data.span_units import UNITS, characters_of, unit_of
from bench.user_data.tables import RawRow, RawTable

COLUMNS = ("entities", "spans", "ents", "label", "labels", "ner", "annotations", "tags")
"""Columns that may hold spans, likeliest first."""

BESIDE = {*ROLES["qa"]["question"], *ROLES["ner"]["tags"]}.union(
    *(ROLES[adapter]["label"] for adapter in TEXT_ADAPTERS)
)
"""Columns that something else can be read from."""

NUMBERED = "has a number as its label"
PLACED = re.compile(r"[BIESLUMW]-\S+")

WITHIN = 0.1  # share of spans that may begin or end inside a word
WIDE_SIGNS = frozenset("，。、；：！？")
"""Commas and stops of scripts without blanks: an entity hardly ever ends with one."""

DONE = {
    "trimmed": ("span begins or ends", "spans begin or end", "with a blank: read without"),
    "widened": ("span begins or ends", "spans begin or end", "inside a word: the whole word is taken"),
    "overlapping": ("span overlaps", "spans overlap", "a longer one: left out"),
    "broken": ("row is", "rows are", "left out, because a span is not where its text is"),
}

ENDS = {
    "last": "the end of a span is its last character, not the one after it, as in '{first}'",
    "unclear": "look: nothing tells whether the end of a span of '{column}' is its last character: it is read as "
    "the place after it, as in '{first}'; give each span its own 'text' to be sure",
}
"""What is said of ends that are, or may be, last characters. first: the first span as it is read."""


def with_words(table: RawTable, given: Mapping[str, str], adapter: str) -> RawTable:
    """The table with lists of words and tags in the columns of texts and spans; unchanged where it has no spans.
    given: columns by role. BenchError where most spans do not fit the words, and where the rows have labels too and
    nothing says which are meant."""
    text = given.get("words") or given.get("text") or by_name(table.columns, TEXTS)
    named = given.get("tags") or given.get("label")
    rows = table.peek()
    columns = [named] if named else [c for n in COLUMNS for c in table.columns if c.lower() == n]
    column = next((c for c in columns if _holds_spans(rows, c, LABEL)), None)
    alone = columns if named else [c for c in columns if _is_alone(c, table.columns, adapter)]
    column = column or next((c for c in alone if _holds_spans(rows, c, ALL_LABEL)), None)
    if (
        column is None
        and adapter in ("", "ner")
        and text in table.columns
        and not own_tags(rows, table.columns)
    ):
        for name in columns:
            if adapter or named or not _other_labels(rows, table.columns, name):
                _refuse_odd(table, name)
    if column is None or text not in table.columns or not _holds_texts(rows, text):
        return table
    unnamed = not named and not given.keys() & {"words", "text"}
    if unnamed and (own := own_tags(rows, table.columns)):
        note = f"'{own[0]}' and '{own[1]}' hold words and their tags: the spans of '{column}' are not read"
        return replace(table, columns=without_others(table.columns, own), notes=(*table.notes, note))
    if not adapter and not named and (label := _other_labels(rows, table.columns, column)):
        raise BenchError(
            f"{table.where}: '{column}' holds spans of characters and '{label}' labels of texts: say --adapter "
            "ner for the spans, or --adapter classification for the labels",
            code="spans-and-labels",
        )
    table = without_own_words(table, text, column)
    reader, ends = _reader(table, text, column)
    done: Counter[str] = Counter()
    for row in table.rows():
        reader.read(row, done)
        done["rows"] += 1
    _check(table, reader, done)
    notes = [f"'{column}' holds spans of characters: they are read as tags of words and punctuation marks"]
    if ends != "after":
        notes.append(ENDS[ends].format(first=reader.first(rows), column=column))
    if reader.unit:
        notes.append(f"the places of spans are counted in {UNITS[reader.unit]}: they are read so")
    notes += [
        f"{counted(done[what], one, more)} {said}" for what, (one, more, said) in DONE.items() if done[what]
    ]
    kept = without_others(table.columns, (text, column, *given.values()))
    notes = [*table.notes, *notes]
    found = replace(table, columns=kept, rows=lambda: reader.rows(table), notes=tuple(notes), ends=ends)
    return replace(found, tagged=(text, column))


def _refuse_odd(table: RawTable, column: str) -> None:
    """BenchError where most cells of a column hold spans, and one of them lacks a label."""
    rows = table.peek()
    whole = sum(bool(spans_of(row.get(column), LABEL)) for row in rows)
    for number, row in enumerate(rows, 1):
        wrong = next((said for item in items_of(row.get(column)) or () if (said := _odd(item))), "")
        numbers = wrong == NUMBERED
        if wrong and (numbers or whole > len(rows) / 2):
            raise BenchError(
                f"{table.where}, row {number:,}: a span of '{column}' {wrong}: give each span a start, an end and "
                "one label in words",
                code="spans-without-labels",
            )


def _odd(item: Any) -> str:
    """What is wrong with the label of a span that has a start and an end, in words; '' for anything else."""
    if not isinstance(item, Mapping) or is_relation(item):
        return ""
    start, end, label = (next((item[k] for k in keys if k in item), None) for keys in (START, END, LABEL))
    if start is None or end is None or span_of(item):
        return ""
    if isinstance(label, str) and label.strip():
        return f"begins at {str(start)[:20]!r} and ends at {str(end)[:20]!r}, which are no places"
    if isinstance(label, (int, float)) and not isinstance(label, bool):
        return NUMBERED
    return (
        f"has several labels ({', '.join(map(str, label))[:40]})"
        if isinstance(label, list)
        else "has no label"
    )


def _reader(table: RawTable, text: str, column: str) -> tuple[_Reader, str]:
    """How spans are read, and where their ends are, as `ends_of` has it."""
    placed = _are_placed(table.peek(), column)
    if table.plain_places:
        return _Reader(text, column, placed=placed), "after"
    ends = ends_of(_placed(table.peek(), text, column))
    if ends == "unclear":
        ends = table.ends or ends
    inclusive = ends == "last"
    unit = unit_of(_placed(_beyond_ascii(table, text), text, column, inclusive))
    return _Reader(text, column, inclusive, unit, placed), ends


def _are_placed(rows: Sequence[RawRow], column: str) -> bool:
    """Whether the labels of spans are tags, such as B-PER and I-PER, which programs give each word alone."""
    labels = {span.label for row in rows for span in spans_of(row.get(column)) or ()}
    types = Counter(label[2:] for label in labels)
    return all(PLACED.fullmatch(label) for label in labels) and max(types.values(), default=0) > 1


def _check(table: RawTable, reader: _Reader, done: Mapping[str, int]) -> None:
    """BenchError where most spans are elsewhere, or many end within words."""
    text, column = reader.text, reader.column
    if done["broken"] > done["rows"] / 2:
        raise BenchError(
            f"{table.where}: in {done['broken']:,} of {counted(done['rows'], 'row')} a span of '{column}' is not "
            f"where its text is in '{text}': count characters from 0, and the end after the last one",
            code="spans-elsewhere",
        )
    if done["widened"] > WITHIN * max(done["spans"], 1):
        raise BenchError(
            f"{table.where}: {done['widened']:,} of {counted(done['spans'], 'span')} in '{column}' begin or end "
            f"inside words of '{text}': are they counted in characters from 0? give one tag a word instead",
            code="spans-within-words",
        )
    if done["signs"] > WITHIN * max(done["spans"], 1):
        raise BenchError(
            f"{table.where}: {done['signs']:,} of {counted(done['spans'], 'span')} in '{column}' begin or end with "
            f"a comma or full stop of '{text}': are they counted in characters from 0? give spans their own 'text'",
            code="spans-elsewhere",
        )


@dataclass(frozen=True)
class _Reader:
    text: str
    column: str
    inclusive: bool = False
    unit: str = ""  # that places count, a key of UNITS or ''
    placed: bool = False  # labels are tags

    def first(self, rows: Sequence[RawRow]) -> str:
        """The characters of the first span."""
        for row in rows:
            for span in spans_of(row.get(self.column)) or ():
                text = str(row.get(self.text))
                characters = characters_of(text, self.unit)
                found = text[characters(span.start) : characters(span.end + self.inclusive)]
                return " ".join(found.split())[:40]
        return ""

    def rows(self, table: RawTable) -> Iterator[RawRow]:
        for row in table.rows():
            found = self.read(row, Counter())
            if found is not None:
                yield {**row, self.text: found[0], self.column: found[1]}

    def read(self, row: RawRow, done: Counter[str]) -> tuple[list[str], list[str] | None] | None:
        """The words and their tags (None where the row has no spans, not even an empty list); None for a row whose
        spans are elsewhere. done: what was done, counted by keys of DONE, and the `spans`, are added to."""
        text, spans = row.get(self.text), spans_of(row.get(self.column))
        if not isinstance(text, str):
            return [], None
        words = words_in(text)
        if spans is None:
            return [text[a:b] for a, b in words], None
        tags = ["O"] * len(words)
        characters = characters_of(text, self.unit if spans else "")
        for span in sorted(spans, key=lambda span: span.start - span.end):
            start, end = characters(span.start), characters(span.end + self.inclusive)
            if not 0 <= start < end <= len(text) or (
                span.text and text[start:end].strip() != span.text.strip()
            ):
                done["broken"] += 1
                return None
            self._tag(words, tags, (text[start:end], start, span.label), done)
        return [text[a:b] for a, b in words], tags

    def _tag(
        self,
        words: Sequence[tuple[int, int]],
        tags: list[str],
        span: tuple[str, int, str],
        done: Counter[str],
    ) -> None:
        written, start, label = span
        inner = written.strip()
        done["spans"] += 1
        done["signs"] += not WIDE_SIGNS.isdisjoint(inner[:1] + inner[-1:])
        done["trimmed"] += inner != written
        start += len(written) - len(written.lstrip())
        end = start + len(inner)
        inside = [n for n, (a, b) in enumerate(words) if a < end and b > start]
        if not inside or any(tags[n] != "O" for n in inside):
            done["overlapping"] += bool(inside)
            return
        done["widened"] += words[inside[0]][0] != start or words[inside[-1]][1] != end
        kind = label[2:] if self.placed else label
        for n in inside:
            tags[n] = f"I-{kind}"
        tags[inside[0]] = label if self.placed else f"B-{kind}"


def words_in(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are: runs of letters, digits and their marks; each other sign alone, and each
    letter of the East Asian scripts, which have no blanks."""
    found: list[tuple[int, int]] = []
    numbered = itertools.groupby(enumerate(text), key=lambda pair: _kind(*pair))
    for kind, group in numbered:
        places = [place for place, _ in group]
        if kind != " ":
            found.append((places[0], places[-1] + 1))
    return found


def _kind(place: int, sign: str) -> str:
    """What stays together: `w` for parts of words, a blank for what is between words, else the place."""
    if sign.isspace():
        return " "
    if unicodedata.east_asian_width(sign) in "WF":
        return str(place)
    joins = sign.isalnum() or sign in "_\u200c\u200d" or unicodedata.category(sign)[0] == "M"
    return "w" if joins else str(place)


def _holds_spans(rows: Sequence[RawRow], column: str, keys: Sequence[str]) -> bool:
    found = [spans_of(value, keys) for row in rows if (value := row.get(column)) is not None]
    return bool(found) and None not in found and any(found)


def _holds_texts(rows: Sequence[RawRow], column: str) -> bool:
    found = [value for row in rows if (value := row.get(column)) is not None]
    return bool(found) and all(isinstance(value, str) for value in found)


def _is_alone(spans: str, columns: Sequence[str], adapter: str) -> bool:
    """Whether nothing but spans can be read from the columns: no other tags where the adapter is ner."""
    if adapter:
        return by_name(columns, ROLES["ner"]["tags"]) == spans
    return not any(column.lower() in BESIDE for column in columns if column != spans)


def _other_labels(rows: Sequence[RawRow], columns: Sequence[str], spans: str) -> str:
    """A column that is named like labels and has a value in every row; '' where there is none."""
    names = [c for c in columns if c != spans and c.lower() in ROLES["classification"]["label"]]
    return next((c for c in names if all(row.get(c) not in (None, "", []) for row in rows)), "")


def _beyond_ascii(table: RawTable, text: str) -> Iterator[RawRow]:
    return (row for row in table.rows() if isinstance(found := row.get(text), str) and not found.isascii())


def _placed(rows: Iterable[RawRow], text: str, column: str, inclusive: bool = False) -> Iterator[PlacedText]:
    """The texts with spans, each with its spans and the places of its words."""
    for row in rows:
        written, spans = row.get(text), spans_of(row.get(column))
        if spans and isinstance(written, str):
            placed = [(span.start, span.end + inclusive, span.text) for span in spans]
            yield written, placed, words_in(written)
