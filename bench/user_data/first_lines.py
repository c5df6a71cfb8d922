"""What the first lines of a delimited file are: a title, the names of the columns, what describes them, or rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.column_values import LONGEST, ColumnValues, is_number
from bench.user_data.columns import KNOWN
from bench.user_data.quoting import Layout
from bench.user_data.tables import MISSING

ABOVE = 10  # lines among which one may name the columns
ENOUGH = 10  # numbers of a column from which a word in its first row is odd
FRACTION = re.compile(r"[-+]?\d+[.,]\d+")
YEAR = re.compile(r"(19|20)\d\d")


def refuse_title(layout: Layout, header: Sequence[str]) -> None:
    """BenchError where a line below the first one has the usual names of columns, as below a title that has the
    separator in it or a header in two lines, and where survey software describes the columns in the first rows."""
    named = KNOWN & {name.casefold() for name in header}
    for line, cells, _ in itertools.islice(layout.records(), 1, ABOVE):
        names = [cell.strip().casefold() for cell in cells]
        if any(name.startswith('{"importid"') for name in names):
            raise BenchError(
                f"{layout.path.name}: the lines down to {line:,} describe the columns, as Qualtrics writes them: "
                "delete those between the first line and the first row",
                code="title-above-table",
            )
        if not named and len(KNOWN & set(names)) > 1 and len(set(names)) == len(names):
            raise BenchError(
                f"{layout.path.name}: line {line:,} names the columns ({', '.join(cells)[:60]}): delete what is "
                "above it",
                code="title-above-table",
            )


def has_row_names(layout: Layout, header: Sequence[str]) -> bool:
    """Whether each row has one cell more than the header, the first of which is a number of the row, in quotes or
    between tabs or blanks, as R's `write.table` writes them. BenchError where each has one more and the first is
    none: a comma in a text without quotes looks the same."""
    width, names, count = len(header) + 1, set[str](), 0
    for _, cells, lines in itertools.islice(layout.records(), 1, None):
        if len(cells) != width or not cells[-1].strip():
            return False
        count += 1
        if cells[0].isdecimal() and (layout.delimiter in "\t " or lines[0].lstrip().startswith('"')):
            names.add(cells[0])
    if count and len(names) < count:
        raise BenchError(
            f"{layout.path.name}: every row has {width} cells, and the first line names "
            f"{counted(len(header), 'column')}: name them all there, or put quotes around texts that have the "
            "separator in them",
            code="malformed-rows",
        )
    return count > 0


def is_row(header: Sequence[str], values: Sequence[ColumnValues]) -> bool:
    """Whether the first line looks like a row: a cell is as long as a text, a class of its column, or a number
    where all others of its column are numbers, some with fractions. A text may be the name of its column: a line
    that names two columns as usual, or has a cell that is none of the few classes of its column, is no row. Columns
    that count from 0 are those of a frame without names. values: of the other lines, by column."""
    named = [name for name in header if name]
    if len(named) > 1 and any(named == [str(n + least) for n in range(len(named))] for least in (0, 1)):
        return False
    known = len(KNOWN & {name.casefold() for name in named})
    repeating = [
        (name, column) for name, column in zip(header, values, strict=True) if name and column.repeats
    ]
    among = any(column.counts[name] > 1 for name, column in repeating)
    if among and known < 2 and all(name in column.counts for name, column in repeating if column.is_few):
        return True
    if known:
        return False
    return any(
        len(name) > LONGEST or (column.scores and _is_score(name))
        for name, column in zip(header, values, strict=True)
    )


def _is_score(name: str) -> bool:
    """Whether what stands in the place of a column's name is a number, and no year."""
    return bool(FRACTION.fullmatch(name)) or (name.isdecimal() and not YEAR.fullmatch(name))


def describing(
    header: Sequence[str], first: tuple[int, Sequence[str]], values: Sequence[ColumnValues]
) -> list[str]:
    """A note where the first row may be a second line of the header, such as one of units. first: its line and
    cells; values: of all rows, by column."""
    line, cells = first
    for name, cell, column in zip(header, cells, values, strict=False):
        cell = cell.strip()
        odd = cell and not is_number(cell) and cell.casefold() not in MISSING
        if odd and ENOUGH < column.filled == column.numbers + 1:
            return [
                f"look: line {line:,} has '{cell[:40]}' in column '{name}', where all other rows have numbers: "
                "delete the line if it describes the columns"
            ]
    return []
