"""Several columns of 0 and 1, one a label, as one column of lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.column_names import is_number, resolve
from bench.user_data.columns import refuse_short
from bench.user_data.tables import RawRow, RawTable

YES = {"1", "1.0", "true", "yes", "y", "x", "t"}
NO = {"0", "0.0", "false", "no", "n", "f"}
BLANK = {"", "nan", "none", "null"}
HIDDEN = {"-1", "-1.0"}
"""What competitions write for a label that is not told."""


class Held(tuple[str, ...]):
    """The labels that a row has by its columns of 0 and 1."""


@dataclass(frozen=True)
class Indicators:
    """Columns of 0 and 1, one a label. labels: their names. with_no: whether a column says 0 somewhere, so that
    it says nothing where it is blank."""

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    with_no: tuple[bool, ...]

    @property
    def name(self) -> str:
        """Of the column that they become."""
        return " + ".join(self.labels)


def read_indicators(
    table: RawTable, columns: Sequence[str], given: Sequence[str] = (), trained: Sequence[bool] = ()
) -> Indicators:
    """The columns, by name or number. Labels are named as their columns; where no line names these, as `given`, if
    that is a name for each, or by their numbers. trained: which of the columns say 0 in the training file.
    BenchError where a column does not exist, or a row ends before it."""
    found = tuple(resolve(table, column, "label") for column in columns)
    refuse_short(table, found)
    labels = found
    if table.with_first_line:
        numbers = (f"column {table.columns.index(column) + 1}" for column in found)
        labels = tuple(given if len(given) == len(found) else numbers)
    silent = {column for column, says in zip(found, trained or [False] * len(found), strict=True) if not says}
    for row in (table.with_first_line or table.rows)():
        if not silent:
            break
        silent -= {column for column in silent if _cell(row, column) in NO}
    return Indicators(found, labels, tuple(column not in silent for column in found))


def lacks_all(table: RawTable, columns: Sequence[str]) -> bool:
    """Whether none of the columns is there, not even in another case."""
    names = {column.casefold() for column in table.columns}
    return not any(column.casefold() in names or is_number(table, column) for column in columns)


def joined_labels(table: RawTable, indicators: Indicators) -> RawTable:
    """The table with one column, of lists of labels, in place of these; None where a row does not say them all.
    BenchError names the row of a cell that is neither 0 nor 1."""
    whole = table.with_first_line

    def joined(rows: Iterable[RawRow]) -> Iterator[RawRow]:
        for number, row in enumerate(rows, 1):
            held = _held(row, indicators, f"{table.where}, row {number:,}")
            rest = {key: value for key, value in row.items() if key not in indicators.columns}
            yield {**rest, indicators.name: held}

    kept = tuple(column for column in table.columns if column not in indicators.columns)
    first = (lambda: joined(whole())) if whole else None
    return replace(
        table, columns=(*kept, indicators.name), rows=lambda: joined(table.rows()), with_first_line=first
    )


def _held(row: RawRow, indicators: Indicators, where: str) -> Held | None:
    cells = {column: _cell(row, column) for column in indicators.columns}
    if any(indicators.with_no) and all(cell in HIDDEN for cell in cells.values()):
        return None
    for column, cell in cells.items():
        if cell not in YES | NO | BLANK:
            raise BenchError(
                f"{where}: column '{column}' has '{str(row.get(column))[:40]}', which is neither 0 nor 1: with "
                "several --label each is a column that says whether a text has that label; for one column of "
                "labels give --label once",
                code="not-an-indicator",
            )
    said = zip(cells.values(), indicators.with_no, strict=True)
    if any(cell in BLANK and says_no for cell, says_no in said):
        return None
    return Held(label for cell, label in zip(cells.values(), indicators.labels, strict=True) if cell in YES)


def _cell(row: RawRow, column: str) -> str:
    value: Any = row.get(column)
    return "" if value is None else str(value).strip().lower()
