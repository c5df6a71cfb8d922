"""CSV and TSV with a header (RFC 4180), as spreadsheets, scripts and people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.column_values import ColumnValues
from bench.user_data.encodings import Encoding
from bench.user_data.first_lines import describing, has_row_names, is_row, refuse_title
from bench.user_data.quoting import Layout, MalformedRows, layout_of
from bench.user_data.tables import REPEATED, RawRow, RawTable, ShortRow, apart

RULE = re.compile(r":?-{2,}:?|:-:?|-:|-+(\+-+)+")
ESCAPE = re.compile(r"""\\[\\"'nrt]""")
ESCAPED = 0.01  # share of rows with escapes from which they are pointed out
NULL = "\\N"
FOOTER = "the last line is shorter: if it is a footer, delete it"
BREAK = "a text with a line break needs quotes around it"
BEYOND = 0.1  # share of rows that may have values beyond the columns with names: they are left out


@dataclass
class Scan:
    """Statistics over all rows of a file. short: the least width of a row, and its line; last: the last row's."""

    rows: int = 0
    last: int = 0
    missing: int = 0  # cells that databases left empty
    escapes: int = 0  # rows with a backslash that may be an escape
    short: tuple[int, int] | None = None
    header_again: int = 0
    rules: int = 0  # lines of dashes alone, as Markdown has them below the header
    spare: bool = True  # what is beyond the header's columns is blank
    extra: int = 0  # rows with blank cells beyond the header's
    beyond: list[int] = field(default_factory=list)  # lines with values beyond the columns with names
    first: tuple[int, list[str]] = (0, [])  # the first row, and its line
    blank: set[int] = field(default_factory=set)  # columns without a value
    values: list[ColumnValues] = field(default_factory=list)  # by column


def read_delimited(path: Path, encoding: Encoding) -> RawTable:
    """A table with a header. Every value is text: `NA`, `null` and `1.0` stay what they are. BenchError for a
    malformed row."""
    layout, notes = layout_of(path, encoding)
    first = next(layout.records(), None)
    if first is None:
        raise BenchError(f"{path.name} is empty: its first line must name the columns", code="empty-file")
    header = [cell.strip() for cell in first[1]]
    refuse_title(layout, header)
    row_names = has_row_names(layout, header)
    header = ["", *header] if row_names else header
    scan = _scan(layout, header)
    columns, repeated = apart(header)
    headless = not row_names and is_row(header, scan.values)
    named = _named(header)
    spilt = bool(scan.beyond) and not headless and len(scan.beyond) <= BEYOND * scan.rows
    width = named if spilt else len(header)
    shown = [n for n, name in enumerate(header) if n < width and (name or n not in scan.blank)]
    notes += ["the first line does not name the first column, which numbers the rows"] if row_names else []
    notes += [f"two columns are named '{name}': choose one by its number" for name in repeated]
    if spilt:
        notes.append(
            f"look: {counted(len(scan.beyond), 'row')} left out, because "
            f"{'it has' if len(scan.beyond) == 1 else 'they have'} values beyond the columns with names (line "
            f"{scan.beyond[0]:,}{' is the first' if len(scan.beyond) > 1 else ''}): a text with the separator "
            "needs quotes around it; name the columns if they hold remarks"
        )
    notes += _notes(scan, headless) + ([] if headless else describing(header, scan.first, scan.values))

    def rows(whole: bool = False) -> Iterator[RawRow]:
        for number, (_, cells, lines) in enumerate(layout.records()):
            stripped = [cell.strip() for cell in cells]
            names = not whole and (not number or stripped[: len(header)] == header)
            if names or _is_rule(cells):
                continue
            if spilt and any(stripped[named:]):
                continue
            cells = _without_nulls(cells, lines, layout.delimiter)
            yield {columns[n]: cells[n] for n in shown if n < len(cells)}

    return RawTable(
        path.name,
        tuple(columns[n] for n in shown),
        rows,
        notes=(*notes, *([encoding.note] if encoding.note else [])),
        repeated=frozenset(repeated),
        short=_short_row(path, scan, columns),
        with_first_line=(lambda: rows(whole=True)) if headless else None,
        delimiter=layout.delimiter,
    )


def _short_row(path: Path, scan: Scan, columns: Sequence[str]) -> ShortRow | None:
    if scan.short is None:
        return None
    cells, line = scan.short
    said = f"{path.name} is not well-formed, line {line:,} (it has {cells} of {len(columns)} columns)"
    return ShortRow(frozenset(columns[cells:]), f"{said}: {FOOTER if line == scan.last else BREAK}")


def _notes(scan: Scan, headless: bool) -> list[str]:
    """What was found in the rows and what was done about it, in words."""
    notes = []
    if scan.header_again and not headless:
        notes.append(REPEATED.format(counted(scan.header_again, "line repeats", "lines repeat")))
    if scan.rules:
        notes.append(f"{counted(scan.rules, 'line')} of dashes left out")
    if scan.missing:
        notes.append(
            f"{counted(scan.missing, 'cell')} \\N, as databases write a missing value: read as empty"
        )
    if scan.escapes > ESCAPED * scan.rows:
        notes.append(
            f"look: {counted(scan.escapes, 'row has', 'rows have')} backslashes before quotes, backslashes, n, r "
            "or t, as databases escape them: texts are read as they stand; if these are escapes, export CSV with "
            "doubled quotes"
        )
    if scan.extra:
        notes.append(
            f"{counted(scan.extra, 'row ends', 'rows end')} with blank cells beyond the columns: dropped"
        )
    return notes


def _named(header: Sequence[str]) -> int:
    """How many columns there are up to the last one with a name."""
    return max((n for n, name in enumerate(header, 1) if name), default=len(header))


def _scan(layout: Layout, header: Sequence[str]) -> Scan:
    """BenchError for a row with more values than there are columns."""
    scan = Scan(blank=set(range(len(header))), values=[ColumnValues() for _ in header])
    named = _named(header)
    for number, (line, cells, lines) in enumerate(layout.records()):
        if not number:
            continue
        if [cell.strip() for cell in cells[: len(header)]] == list(header):
            scan.header_again += 1
            continue
        if _is_rule(cells):
            scan.rules += 1
            continue
        scan.rows += 1
        scan.last = line
        scan.escapes += any(ESCAPE.search(cell) for cell in cells)
        plain = _without_nulls(cells, lines, layout.delimiter)
        scan.missing += sum(a != b for a, b in zip(cells, plain, strict=True))
        cells = plain
        if any(cell.strip() for cell in cells[len(header) :]):
            reason = f"it has {len(cells)} cells, the header {len(header)}"
            raise MalformedRows(layout.path, line, reason)
        if any(cell.strip() for cell in cells[named:]):
            scan.beyond.append(line)
        if scan.rows == 1:
            scan.first = line, cells
        scan.extra += len(cells) > len(header)
        if len(cells) < len(header) and (scan.short is None or len(cells) < scan.short[0]):
            scan.short = len(cells), line
        for column, cell in enumerate(cells[: len(header)]):
            if cell.strip():
                scan.blank.discard(column)
            scan.values[column].add(cell)
    return scan


def _is_rule(cells: Sequence[str]) -> bool:
    """Whether a row of several cells has dashes alone, as below the header of a table in Markdown."""
    found = [cell.strip() for cell in cells if cell.strip()]
    return (len(found) > 1 or "+" in found[0]) and all(RULE.fullmatch(cell) for cell in found)


def _without_nulls(cells: list[str], lines: Sequence[str], delimiter: str) -> list[str]:
    """The cells; a bare `\\N`, which databases write for a missing value, is ''. In quotes it is a text."""
    if NULL not in cells:
        return cells
    sign = re.escape(delimiter)
    bare = re.search(rf"(^|{sign})\\N({sign}|$)", "".join(lines).rstrip("\r\n"))
    return ["" if cell == NULL else cell for cell in cells] if bare else cells
