"""The names and numbers of a table's columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from unicodedata import normalize

from bench.contracts import BenchError
from bench.text import clipped
from bench.user_data.tables import RawTable


def resolve(table: RawTable, column: str, role: str) -> str:
    """The column of this name, or of this number from 1: the number first where the first line looks like a row.
    BenchError where there is no such column."""
    by_number = is_number(table, column)
    if column in table.columns and not (by_number and table.with_first_line):
        return column
    if by_number:
        return table.columns[int(column) - 1]
    written = normalize("NFC", column.strip())
    composed = [name for name in table.columns if normalize("NFC", name) == written]
    if len(composed) == 1:
        return composed[0]
    if column in table.repeated:
        twice = [str(n) for n, name in enumerate(table.columns, 1) if name.startswith(f"{column}#")]
        raise BenchError(
            f"{table.where} has several columns '{clipped(column)}': choose one by its number for --{role} "
            f"({', '.join(twice)})",
            code="unknown-column",
        )
    near = difflib.get_close_matches(column, table.columns, n=1)
    hint = f"did you mean '{clipped(near[0])}'? " if near else ""
    raise BenchError(
        f"{table.where} has no column '{clipped(column)}' for --{role}: {hint}it has {names_of(table.columns)}"
        f"{header_hint(table)}",
        code="unknown-column",
    )


def is_number(table: RawTable, column: str) -> bool:
    """Whether there is a column of this number, counted from 1."""
    return bool(re.fullmatch(r"\d{1,4}", column, re.ASCII)) and 1 <= int(column) <= len(table.columns)


def header_hint(table: RawTable) -> str:
    """A hint about a file whose first line may not be a header."""
    odd = [column for column in table.columns if not re.search(r"[^\W\d_]", column)]
    if table.with_first_line is None and not odd:
        return ""
    return (
        f"; no header line? its first line ({names_of(table.columns)[:60]}) looks like a row: add a line that "
        "names the columns, or choose them by number, such as --text 1 --label 2"
    )


def by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def names_of(columns: Sequence[str]) -> str:
    return ", ".join(f"'{clipped(column)}'" for column in columns[:20]) or "no columns"
