"""Rows with named columns, and those that JSON holds: lines, lists, columns, and what `to_json` writes.

A table is read in parts where its format allows it, so a file larger than memory is no problem; values come as
they are stored."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.data.class_names import class_names
from bench.text import counted
from bench.user_data.encodings import Encoding
from bench.user_data.text_files import lines_of, whole_text

CHUNK = 5_000  # rows read at once
PEEK = 1_000  # rows from which columns are guessed
REPEATED = "{} the header: left out"
NAMED = {"text", "label", "tokens", "question", "sentence"}  # keys that tell a row from a column
FEW = 50  # distinct values of a column that may be labels
MISSING = ("nan", "none", "null", "n/a", "na", "-", "?", "\\n", "unsup", "unlabeled", "unlabelled")
"""Spellings of a missing value, in lower case (`\\N` is that of databases); suspicious as a label."""

BLANKS = re.compile(r"\s*")

RawRow = Mapping[str, Any]


@dataclass(frozen=True)
class ShortRow:
    """A row that has fewer cells than there are columns. missing: the columns that it lacks; said: what is wrong
    where one of them is needed."""

    missing: frozenset[str]
    said: str


@dataclass(frozen=True)
class RawTable:
    """Rows with named columns; they can be read repeatedly.

    names: label names by column, where a column holds their numbers. notes: lines for the user.
    repeated: names that several columns have. short: the row that lacks most cells, where one lacks any.
    delimiter: what separates the cells of a line.
    with_first_line: the rows with the line that was taken for the names, where that line looks like a row.
    document: the key of rows, and no column, that counts the documents of a format that has them.
    plain_places: places of spans are known to count characters, and ends to be after the last one.
    ends: where the ends of spans are, a key of `ends_of`; of the training file for one that is not yet read.
    tagged: the columns of words and tags that a text and its spans became."""

    where: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterable[RawRow]]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repeated: frozenset[str] = frozenset()
    short: ShortRow | None = None
    with_first_line: Callable[[], Iterable[RawRow]] | None = None
    delimiter: str = ""
    document: str = ""
    plain_places: bool = False
    ends: str = ""
    tagged: tuple[str, ...] = ()

    def peek(self) -> list[RawRow]:
        """The first rows."""
        return list(itertools.islice(self.rows(), PEEK))


def repeats(table: RawTable) -> list[str]:
    """What is said of rows like the first line, where that line names the columns after all."""
    if table.with_first_line is None:
        return []
    again = sum(1 for _ in table.with_first_line()) - sum(1 for _ in table.rows()) - 1
    return [REPEATED.format(counted(again, "line repeats", "lines repeat"))] if again else []


def apart(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns' names, each once, and those that the header has more than once."""
    counts = Counter(name for name in header if name)
    columns = [
        (f"{name}#{number}" if counts[name] > 1 else name) if name else f"column {number}"
        for number, name in enumerate(header, 1)
    ]
    return columns, [name for name, count in counts.items() if count > 1]


def read_json_lines(path: Path, encoding: Encoding) -> RawTable:
    """One JSON object a line. Columns are those of the first rows. BenchError names the line that is none."""

    def rows() -> Iterator[RawRow]:
        for number, line in enumerate(lines_of(path, encoding), 1):
            if line.strip():
                yield _object(line, f"{path.name}, line {number:,}")

    return of_objects(path.name, rows, _notes(encoding))


def is_json_lines(path: Path, encoding: Encoding) -> bool:
    """Whether the first line is an object of its own and another line follows, whatever the file is called."""
    lines = list(itertools.islice((line for line in lines_of(path, encoding) if line.strip()), 2))
    try:
        return len(lines) > 1 and isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


def read_json(path: Path, encoding: Encoding) -> tuple[Any, RawTable | None]:
    """The value of a JSON file, and the table that it is: a list of objects, bare or under one name; columns as
    lists or by row; what `to_json` writes in any orientation. None for anything else."""
    text = whole_text(path, encoding)
    value = _one_after_another(text) or parse_json(text, path.name)
    found = _records(value)
    if found is None:
        return value, None
    records, where = found
    notes = [*_notes(encoding), *([f"rows are {where}"] if where else [])]
    names = _viewer_names(value)
    total = value.get("num_rows_total") if isinstance(value, dict) else None
    if isinstance(total, int) and total > len(records):
        notes.append(f"the file has {len(records):,} of the {total:,} rows of its data set")
    return value, replace(of_objects(path.name, lambda: records, notes), names=names)


def _viewer_names(value: Any) -> dict[str, Sequence[str]]:
    """The class names by column that the data set viewer writes beside its rows."""
    features = value.get("features") if isinstance(value, dict) else None
    items = [item for item in features if isinstance(item, dict)] if isinstance(features, list) else []
    found = {str(item.get("name")): class_names(item.get("type")) for item in items}
    return {name: names for name, names in found.items() if names}


def parse_json(text: str, where: str) -> Any:
    """The JSON value; BenchError if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = "; write JSON lines: one object a line" if "Extra data" in str(error) else ""
        hint = "; JSON wants double quotes" if "double quotes" in str(error) else hint
        raise BenchError(f"{where} is not valid JSON ({str(error)[:100]}){hint}", code="not-json") from error


def _one_after_another(text: str) -> list[RawRow] | None:
    """Objects that follow each other, each over several lines; None where there is one, or anything else."""
    decoder, place, found = json.JSONDecoder(), 0, []
    try:
        place = BLANKS.match(text).end()  # pyright: ignore[reportOptionalMemberAccess]
        while place < len(text):
            value, end = decoder.raw_decode(text, place)
            if not isinstance(value, dict):
                return None
            found.append(value)
            place = BLANKS.match(text, end).end()  # pyright: ignore[reportOptionalMemberAccess]  (it matches '' too)
    except (ValueError, RecursionError):
        return None
    return found if len(found) > 1 else None


def of_objects(where: str, rows: Callable[[], Iterable[RawRow]], notes: Sequence[str] = ()) -> RawTable:
    """The table of JSON objects."""
    first = list(itertools.islice(rows(), PEEK))
    columns = tuple(dict.fromkeys(key for row in first for key in row))
    return RawTable(where, columns, rows, notes=tuple(notes))


def _object(line: str, where: str) -> RawRow:
    value = parse_json(line, where)
    if _is_annotated(value):
        return {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise BenchError(
            f'{where} is not a JSON object: each line must be one, like {{"text": …, "label": …}}',
            code="not-an-object",
        )
    return value


def _records(value: Any) -> tuple[Sequence[RawRow], str] | None:
    """The rows of a JSON value, and where they are in it ('' in a plain list)."""
    if _are_objects(value):
        return value, ""
    if isinstance(value, list) and all(map(_is_annotated, value)):
        return [{"text": text, **about} for text, about in value], "pairs of a text and what is said of it"
    if not isinstance(value, dict) or not value:
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        names, rows = list(map(str, value["columns"])), value["data"]
        if all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return [dict(zip(names, row, strict=True)) for row in rows], "lists of values under 'data'"
    pairs = {key: found for key, item in value.items() if (found := _pairs(item))}
    objects = [key for key, item in value.items() if _are_objects(item) and item]
    if pairs and len(pairs) + len(objects) > 1:  # several splits, of which none is the file's
        return None
    for key, found in pairs.items():
        return [
            {"text": text, **about} for text, about in found
        ], f"pairs of a text and its spans under '{key}'"
    lists = {key: item for key, item in value.items() if _are_objects(item) and item}
    for about in ("fields", "features"):  # other programs describe columns under these keys
        lists.pop(about, None)
    if len(lists) == 1:
        ((key, rows),) = lists.items()
        if all(isinstance(row.get("row"), dict) for row in rows):
            cut = sum(bool(row.get("truncated_cells")) for row in rows)
            short = f"; {counted(cut, 'row has', 'rows have')} cells that the viewer cut" if cut else ""
            return [row["row"] for row in rows], f"under '{key}', each under 'row'{short}"
        return rows, f"under '{key}'"
    return _columns(value)


def _is_annotated(value: Any) -> bool:
    """Whether a value is a text and what spaCy is told of it: its entities or categories."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return False
    return isinstance(value[1], dict) and bool(value[1].keys() & {"entities", "cats"})


def _pairs(value: Any) -> list[Any]:
    """The pairs of a text and what is said of it; [] for any other list. Annotators write null for a text that was
    skipped."""
    found = [pair for pair in value if pair is not None] if isinstance(value, list) else []
    return found if all(map(_is_annotated, found)) else []


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _columns(value: Mapping[str, Any]) -> tuple[Sequence[RawRow], str] | None:
    """Columns as lists of one length, or as objects with one entry a row."""
    items = list(value.values())
    if all(isinstance(item, list) for item in items) and len({len(item) for item in items}) == 1:
        if len(items) < 2 or not items[0] or any(map(_are_objects, items)):
            return None
        return [dict(zip(value, row, strict=True)) for row in zip(*items, strict=True)], "given as columns"
    alike = all(isinstance(item, dict) and item and list(item) == list(items[0]) for item in items)
    if len(items) < 2 or not alike:
        return None
    if _are_rows(value, items[0]):
        return items, "given by key"
    return [{name: column[key] for name, column in value.items()} for key in items[0]], "given as columns"


def _are_rows(value: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether the objects under keys are rows, not columns: the other keys then name columns. Rows are numbered, or
    there are more of them."""
    numbered, within = (all(map(str.isdecimal, keys)) for keys in (value, first))
    if numbered != within:
        return numbered
    return bool(set(first) & NAMED) or len(value) > len(first)


def _notes(encoding: Encoding) -> tuple[str, ...]:
    return (encoding.note,) if encoding.note else ()
