"""Several columns of 0 and 1, one a label, as one column of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.column_names import resolve
from bench.user_data.tables import RawRow, RawTable

YES = {"1", "1.0", "true", "yes", "y", "x", "t"}
NO = {"0", "0.0", "false", "no", "n", "", "f", "nan", "none", "null"}


class Held(tuple[str, ...]):
    """The labels that a row has by its columns of 0 and 1."""


def joined_labels(table: RawTable, columns: Sequence[str]) -> tuple[RawTable, str]:
    """The table with one column, of lists of labels, in place of these, and its name. BenchError where a column
    does not exist or a cell is neither 0 nor 1, which names the row."""
    found = [resolve(table, column, "label") for column in columns]
    name = " + ".join(found)

    def rows() -> Iterator[RawRow]:
        for number, row in enumerate(table.rows(), 1):
            held = Held(
                column
                for column in found
                if _holds(row.get(column), column, f"{table.where}, row {number:,}")
            )
            rest = {key: value for key, value in row.items() if key not in found}
            yield {**rest, name: held}

    kept = tuple(column for column in table.columns if column not in found)
    return replace(table, columns=(*kept, name), rows=rows, with_first_line=None), name


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
