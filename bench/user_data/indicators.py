"""Several columns of 0 and 1, one a label, as one column of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.column_names import is_number, resolve
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
    """Columns of 0 and 1, one a label. with_no: whether a column says 0 somewhere, so that it says nothing where it
    is blank."""

    columns: tuple[str, ...]
    with_no: tuple[bool, ...]

    @property
    def name(self) -> str:
        """Of the column that they become."""
        return " + ".join(self.columns)


def read_indicators(table: RawTable, columns: Sequence[str], trained: Sequence[bool] = ()) -> Indicators:
    """The columns, by name or number. trained: which of them say 0 in the training file. BenchError where one does
    not exist."""
    found = tuple(resolve(table, column, "label") for column in columns)
    blank = {column for column, says_no in zip(found, trained or [False] * len(found), strict=True) if not says_no}
    for row in table.rows():
        if not blank:
            break
        blank -= {column for column in blank if _cell(row, column) in NO}
    return Indicators(found, tuple(column not in blank for column in found))


def lacks_all(table: RawTable, columns: Sequence[str]) -> bool:
    """Whether none of the columns is there, not even in another case."""
    names = {column.casefold() for column in table.columns}
    return not any(column.casefold() in names or is_number(table, column) for column in columns)


def joined_labels(table: RawTable, indicators: Indicators) -> RawTable:
    """The table with one column, of lists of labels, in place of these; None where a row does not say them all.
    BenchError names the row of a cell that is neither 0 nor 1."""

    def rows() -> Iterator[RawRow]:
        for number, row in enumerate(table.rows(), 1):
            held = _held(row, indicators, f"{table.where}, row {number:,}")
            rest = {key: value for key, value in row.items() if key not in indicators.columns}
            yield {**rest, indicators.name: held}

    kept = tuple(column for column in table.columns if column not in indicators.columns)
    return replace(table, columns=(*kept, indicators.name), rows=rows, with_first_line=None)


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
    return Held(column for column, cell in cells.items() if cell in YES)


def _cell(row: RawRow, column: str) -> str:
    value: Any = row.get(column)
    return "" if value is None else str(value).strip().lower()
