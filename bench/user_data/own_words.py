"""Spans that have their own words under a key that elsewhere names their label, as in
{"start": 10, "end": 15, "entity": "Paris", "category": "LOC"}."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.span_cells import END, START, items_of, place_of, spans_of
from bench.user_data.span_units import ways_of
from bench.user_data.tables import RawRow, RawTable

KEYS = ("entity", "name")
"""Keys that hold a label in some files and the words of the span in others."""


def without_own_words(table: RawTable, text: str, column: str) -> RawTable:
    """The table without those of KEYS in its spans under which most have their own words. BenchError where a span
    has no label then."""
    rows = table.peek()
    keys = [key for key in KEYS if _are_own_words(rows, text, column, key)]
    if not keys:
        return table

    def bare(row: RawRow) -> RawRow:
        items = items_of(row.get(column))
        return row if items is None else {**row, column: [_without(item, keys) for item in items]}

    for number, row in enumerate(rows, 1):
        if spans_of(row.get(column)) and spans_of(bare(row)[column]) is None:
            raise BenchError(
                f"{table.where}, row {number:,}: a span of '{column}' has no label: its '{keys[0]}' holds its own "
                "words: give each span a start, an end and one label in words",
                code="spans-without-labels",
            )
    return replace(table, rows=lambda: map(bare, table.rows()))


def _without(item: Any, keys: Sequence[str]) -> Any:
    return {k: v for k, v in item.items() if k not in keys} if isinstance(item, Mapping) else item


def _are_own_words(rows: Sequence[RawRow], text: str, column: str, key: str) -> bool:
    """Whether most spans that have a key have the words at their place under it."""
    found: list[bool] = []
    for row in rows:
        items = [item for item in items_of(row.get(column)) or () if isinstance(item, Mapping)]
        named = [item for item in items if isinstance(item.get(key), str) and item[key].strip()]
        written = str(row.get(text))
        ways = ways_of(written) if named else []
        found += [_is_at_place(written, item, item[key], ways) for item in named]
    return sum(found) > len(found) / 2


def _is_at_place(
    text: str, item: Mapping[str, Any], words: str, ways: Sequence[Callable[[int], int]]
) -> bool:
    """Whether words are where a span is, in any case and in one of these ways of counting."""
    start, end = (place_of(next((item[k] for k in keys if k in item), None)) for keys in (START, END))
    if not isinstance(start, int) or not isinstance(end, int):
        return False
    places = ((way(start), way(end + more)) for way in ways for more in (0, 1))
    return any(0 <= a < b and text[a:b].strip().casefold() == words.strip().casefold() for a, b in places)
