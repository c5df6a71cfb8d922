"""Several columns of 0 and 1, one a label, as one column of lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.column_names import resolve
from bench.user_data.columns import refuse_short
from bench.user_data.tables import RawRow, RawTable

YES = {"1", "1.0", "true", "yes", "y", "x", "t"}
NO = {"0", "0.0", "false", "no", "n", "", "f", "nan", "none", "null"}


class Held(tuple[str, ...]):
    """The labels that a row has by its columns of 0 and 1."""


def joined_labels(table: RawTable, columns: Sequence[str], given: Sequence[str] = ()) -> tuple[RawTable, str]:
    """The table with one column, of lists of labels, in place of these, and its name. Labels are named as their
    columns; where no line names these, as `given`, if that is a name for each, or by their numbers. BenchError
    where a column does not exist or a cell is neither 0 nor 1, which names the row."""
    found = [resolve(table, column, "label") for column in columns]
    refuse_short(table, found)
    whole = table.with_first_line
    numbers = [f"column {table.columns.index(column) + 1}" for column in found]
    names = found if not whole else given if len(given) == len(found) else numbers
    name = " + ".join(names)

    def joined(rows: Iterable[RawRow]) -> Iterator[RawRow]:
        for number, row in enumerate(rows, 1):
            where = f"{table.where}, row {number:,}"
            held = Held(
                label
                for column, label in zip(found, names, strict=True)
                if _holds(row.get(column), column, where)
            )
            rest = {key: value for key, value in row.items() if key not in found}
            yield {**rest, name: held}

    kept = (*(column for column in table.columns if column not in found), name)
    first = (lambda: joined(whole())) if whole else None
    return replace(table, columns=kept, rows=lambda: joined(table.rows()), with_first_line=first), name


def _holds(value: Any, column: str, where: str) -> bool:
    text = "" if value is None else str(value).strip().lower()
    if text not in YES and text not in NO:
        raise BenchError(
            f"{where}: column '{column}' has '{str(value)[:40]}', which is neither 0 nor 1: with several "
            f"--label each "
            "is a column that says whether a text has that label; for one column of labels give --label once",
            code="not-an-indicator",
        )
    return text in YES
