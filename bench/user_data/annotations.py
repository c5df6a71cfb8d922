"""What annotation tools export, as plain tables: Label Studio, Prodigy, and the categories of spaCy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.user_data.column_names import by_name
from bench.user_data.columns import QUESTIONS, TEXTS, are_no_text, mean_length
from bench.user_data.impossible import without_plausible
from bench.user_data.label_studio import questions_of, tasks_of
from bench.user_data.prodigy import decided
from bench.user_data.span_rows import refuse_span_rows
from bench.user_data.spans import with_words
from bench.user_data.tables import RawRow, RawTable

SAID = ("label", "labels", "ner", "entities", "spans", "cats")
"""Columns of what annotators say of the texts in `data`."""

DATE = 30  # characters of a date in words


def plain_table(table: RawTable, given: Mapping[str, str], adapter: str) -> RawTable:
    """The table as rows of a text with its label, labels or tags. given: columns by role; adapter: '' where it is
    to be guessed. BenchError as `with_words` raises."""
    if {"data", "annotations"} <= set(table.columns):
        asks = adapter in QUESTIONS or not (adapter or given)
        table = (questions_of(table) if asks else None) or tasks_of(table, given)
    table = _categories(decided(_with_text(table, given), given))
    refuse_span_rows(table, given, adapter)
    table = without_plausible(table, given, adapter)
    return with_words(table, given, adapter) if adapter in ("", "ner") else table


def _with_text(table: RawTable, given: Mapping[str, str]) -> RawTable:
    """The table with its column `data`, as doccano and flair name texts, as `text`, where no other is named so. In
    other languages the name means a date: another column then holds longer texts."""
    named = {given[role] for role in ("text", "words") if role in given}
    if "data" not in table.columns or by_name(table.columns, TEXTS) or named - {"text"}:
        return table
    others = [c for c in table.columns if c != "data" and c.lower() not in SAID]
    rows = table.peek() if "data" not in given.values() and len(others) < len(table.columns) - 1 else []
    values = [row.get("data") for row in rows]
    if not rows or not all(isinstance(value, str) for value in values) or are_no_text(values):
        return table
    length = mean_length(values)
    if length < DATE and any(mean_length([row.get(c) for row in rows]) >= length for c in others):
        return table

    def read() -> Iterator[RawRow]:
        return ({_text(key): value for key, value in row.items()} for row in table.rows())

    short = table.short and replace(table.short, missing=frozenset(map(_text, table.short.missing)))
    notes = (*table.notes, "'data' holds the texts")
    return replace(table, columns=tuple(map(_text, table.columns)), rows=read, notes=notes, short=short)


def _text(column: str) -> str:
    return "text" if column == "data" else column


def _categories(table: RawTable) -> RawTable:
    """The names that a column `cats` gives one half or more, as a column of labels."""
    found = [row.get("cats") for row in table.peek()] if "cats" in table.columns else []
    if not found or not all(isinstance(c, Mapping) and all(map(_is_share, c.values())) for c in found):
        return table

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            cats = row.get("cats")
            names = [n for n, s in cats.items() if s >= 0.5] if isinstance(cats, Mapping) else None
            chosen = {**row, "cats": names[0] if names and len(names) == 1 else names}
            yield {_renamed(key): value for key, value in chosen.items()}

    columns = tuple(map(_renamed, table.columns))
    note = "'cats' holds a number for each label: those with 0.5 or more are the labels"
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, note))


def _renamed(column: str) -> str:
    return "label" if column == "cats" else column


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1
