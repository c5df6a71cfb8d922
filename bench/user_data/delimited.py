"""CSV and TSV with a header (RFC 4180), as spreadsheets, scripts and people write them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.encodings import Encoding
from bench.user_data.quoting import Layout, MalformedRows, layout_of
from bench.user_data.tables import FEW, RawRow, RawTable

RULE = re.compile(r":?-{2,}:?|:-:?|-:|-+(\+-+)+")
LONG = 200  # characters of a cell above which it cannot be a column name


@dataclass
class Scan:
    """Statistics over all rows of a file. short: the least width of a row, and its line."""

    rows: int = 0
    short: tuple[int, int] | None = None
    header_again: int = 0
    rules: int = 0  # lines of dashes alone, as Markdown has them below the header
    spare: bool = True  # what is beyond the header's columns is blank
    extra: int = 0  # rows with blank cells beyond the header's
    blank: set[int] = field(default_factory=set)  # columns without a value
    values: list[Counter[str]] = field(default_factory=list)  # by column; counted up to a bound


def read_delimited(path: Path, encoding: Encoding) -> RawTable:
    """A table with a header. Every value is text: `NA`, `null` and `1.0` stay what they are. BenchError for a
    malformed row."""
    layout, notes = layout_of(path, encoding)
    first = next(layout.records(), None)
    if first is None:
        raise BenchError(f"{path.name} is empty: its first line must name the columns", code="empty-file")
    header = [cell.strip() for cell in first[1]]
    scan = _scan(layout, header)
    columns, repeated = _named(header)
    shown = [n for n, name in enumerate(header) if name or n not in scan.blank]
    notes += [f"two columns are named '{name}': choose one by its number" for name in repeated]
    if scan.header_again:
        notes.append(f"{counted(scan.header_again, 'line repeats', 'lines repeat')} the header: left out")
    if scan.rules:
        notes.append(f"{counted(scan.rules, 'line')} of dashes left out")
    if scan.extra:
        notes.append(
            f"{counted(scan.extra, 'row ends', 'rows end')} with blank cells beyond the columns: dropped"
        )

    def rows(whole: bool = False) -> Iterator[RawRow]:
        for number, (_, cells, _) in enumerate(layout.records()):
            stripped = [cell.strip() for cell in cells]
            if stripped[: len(header)] == header and (number or not whole):
                continue
            if _is_rule(cells):
                continue
            yield {columns[n]: cells[n] for n in shown if n < len(cells)}

    return RawTable(
        path.name,
        tuple(columns[n] for n in shown),
        rows,
        notes=(*notes, *([encoding.note] if encoding.note else [])),
        repeated=frozenset(repeated),
        short=scan.short,
        with_first_line=(lambda: rows(whole=True)) if _is_row(header, scan) else None,
    )


def _scan(layout: Layout, header: Sequence[str]) -> Scan:
    """BenchError for a row with more values than there are columns."""
    scan = Scan(blank=set(range(len(header))), values=[Counter() for _ in header])
    for number, (line, cells, _) in enumerate(layout.records()):
        if not number:
            continue
        if [cell.strip() for cell in cells[: len(header)]] == list(header):
            scan.header_again += 1
            continue
        if _is_rule(cells):
            scan.rules += 1
            continue
        scan.rows += 1
        if any(cell.strip() for cell in cells[len(header) :]):
            reason = f"it has {len(cells)} cells, the header {len(header)}"
            raise MalformedRows(layout.path, line, reason)
        scan.extra += len(cells) > len(header)
        if len(cells) < len(header) and (scan.short is None or len(cells) < scan.short[0]):
            scan.short = len(cells), line
        for column, cell in enumerate(cells[: len(header)]):
            if cell.strip():
                scan.blank.discard(column)
            if len(scan.values[column]) <= FEW:
                scan.values[column][cell.strip()] += 1
    return scan


def _is_rule(cells: Sequence[str]) -> bool:
    """Whether a row of several cells has dashes alone, as below the header of a table in Markdown."""
    found = [cell.strip() for cell in cells if cell.strip()]
    return len(found) > 1 and all(RULE.fullmatch(cell) for cell in found)


def _named(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns' names, each once, and those that the header has more than once."""
    counts = Counter(name for name in header if name)
    columns = [
        (f"{name}#{number}" if counts[name] > 1 else name) if name else f"column {number}"
        for number, name in enumerate(header, 1)
    ]
    return columns, [name for name, count in counts.items() if count > 1]


def _is_row(header: Sequence[str], scan: Scan) -> bool:
    """Whether the first line looks like a row: a cell is as long as a text, or is a class of its column. Columns
    that count from 0 are those of a frame without names."""
    named = [name for name in header if name]
    if len(named) > 1 and named == [str(number) for number in range(len(named))]:
        return False
    few = [
        counts[name] > 1
        for name, counts in zip(header, scan.values, strict=True)
        if name and len(counts) <= FEW and counts.total() >= 2 * len(counts)
    ]
    return any(few) or any(len(name) > LONG for name in header)
