"""Tables of questions in SQuAD 2.0's columns: where `is_impossible` says so, or `answerable` does not, the answer
beside it is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.data.squad_layout import ANSWERABLE, IMPOSSIBLE
from bench.text import counted
from bench.user_data.column_names import by_name
from bench.user_data.columns import QUESTIONS, ROLES
from bench.user_data.indicators import BLANK, NO, YES
from bench.user_data.tables import RawRow, RawTable
from bench.user_data.values import as_text


def without_plausible(table: RawTable, given: Mapping[str, str], adapter: str) -> RawTable:
    """The table with an empty list in place of the answers that are only plausible; unchanged where no column says
    which are. given: columns by role."""
    impossible = by_name(table.columns, IMPOSSIBLE)
    said = impossible or by_name(table.columns, ANSWERABLE)
    answers = {given.get("answer"), *(c for c in table.columns if c.lower() in ROLES["qa"]["answer"])}
    columns = [column for column in table.columns if column in answers]
    question = given.get("question") or by_name(table.columns, ROLES["qa"]["question"])
    asks = adapter in QUESTIONS or (not adapter and question)
    if not said or said in given.values() or not columns or not asks:
        return table
    values = [_said(row, said) for row in table.rows()]
    none = YES if impossible else NO
    count = sum(value in none for value in values)
    if not count or not set(values) <= YES | NO | BLANK:
        return table

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            empty = {column: list[str]() for column in columns} if _said(row, said) in none else {}
            yield {**row, **empty}

    note = f"'{said}' says that {counted(count, 'question has', 'questions have')} no answer"
    return replace(table, rows=rows, notes=(*table.notes, note))


def _said(row: RawRow, column: str) -> str:
    return as_text(row.get(column)).lower()
