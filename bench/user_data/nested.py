"""Columns within objects, by their path: `review.text` is the key `text` of the objects in column `review`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.user_data.tables import RawRow, RawTable


def with_nested(table: RawTable, wanted: Iterable[str]) -> RawTable:
    """The table with a column for every wanted path into its objects. A column that has the whole name comes first.
    BenchError names the keys that are there where none of the first rows has the path."""
    paths = [name for name in dict.fromkeys(wanted) if name not in table.columns and _root(table, name)]
    if not paths:
        return table
    peek = table.peek()
    for path in paths:
        if not any(_has(row, path) for row in peek):
            near = keys(peek, _root(table, path))
            raise BenchError(
                f"{table.where} has no '{path}': choose one of {', '.join(near[:20]) or 'its columns'}",
                code="unknown-column",
            )

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            yield {**row, **{path: _value(row, path) for path in paths}}

    return replace(table, columns=(*table.columns, *paths), rows=rows)


def keys(rows: Iterable[RawRow], column: str) -> list[str]:
    """The paths to all values within the objects of a column."""
    return list(dict.fromkeys(path for row in rows for path in _paths(row.get(column), column)))


def _root(table: RawTable, path: str) -> str:
    """The column in which a path begins; '' where there is none."""
    roots = [name for name in table.columns if path.startswith(f"{name}.")]
    return max(roots, key=len, default="")


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}")
    elif value is not None and not _is_objects(value):
        yield path


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _has(row: RawRow, path: str) -> bool:
    return _walk(row, path)[0]


def _value(row: RawRow, path: str) -> Any:
    """What is at the path; None where a row lacks it."""
    return _walk(row, path)[1]


def _walk(value: Any, path: str) -> tuple[bool, Any]:
    """Whether there is such a path, and its value. Keys may have dots themselves."""
    if not isinstance(value, Mapping):
        return False, None
    if path in value:
        return True, value[path]
    for key, item in value.items():
        if path.startswith(f"{key}.") and isinstance(item, Mapping):
            found = _walk(item, path[len(str(key)) + 1 :])
            if found[0]:
                return found
    return False, None
