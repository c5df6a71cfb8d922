"""What annotation tools export, as plain tables: Label Studio, Prodigy, and the categories of spaCy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.text import counted
from bench.user_data.column_names import by_name
from bench.user_data.columns import TEXTS
from bench.user_data.prodigy import decided
from bench.user_data.spans import with_words
from bench.user_data.tables import RawRow, RawTable


def plain_table(table: RawTable, given: Mapping[str, str], adapter: str) -> RawTable:
    """The table as rows of a text with its label, labels or tags. given: columns by role; adapter: '' where it is
    to be guessed. BenchError as `with_words` raises."""
    if {"data", "annotations"} <= set(table.columns):
        table = _label_studio(table)
    table = _categories(decided(table, given))
    return with_words(table, given, adapter) if adapter in ("", "ner") else table


def _categories(table: RawTable) -> RawTable:
    """The names that a column `cats` gives one half or more, as a column of labels."""
    found = [row.get("cats") for row in table.peek()] if "cats" in table.columns else []
    if not found or not all(isinstance(c, Mapping) and all(map(_is_share, c.values())) for c in found):
        return table

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            cats = row.get("cats")
            names = [n for n, s in cats.items() if s >= 0.5] if isinstance(cats, Mapping) else []
            chosen = {**row, "cats": names[0] if len(names) == 1 else names}
            yield {_renamed(key): value for key, value in chosen.items()}

    columns = tuple(map(_renamed, table.columns))
    note = "'cats' holds a number for each label: those with 0.5 or more are the labels"
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, note))


def _renamed(column: str) -> str:
    return "label" if column == "cats" else column


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _label_studio(table: RawTable) -> RawTable:
    """Tasks of Label Studio: the text of `data`, with the choices or the spans of the first annotation."""
    kinds = {result.get("type") for row in table.peek() for result in _results(row)}
    skipped = sum(_is_skipped(row) for row in table.rows())
    kind = next((kind for kind in ("labels", "choices") if kind in kinds), None)
    if kind is None:
        return table
    column = "entities" if kind == "labels" else "label"

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            if _is_skipped(row):
                continue
            values = [r["value"] for r in _results(row) if r.get("type") == kind and "value" in r]
            chosen = [choice for value in values for choice in value.get("choices", ())]
            one: Any = values if kind == "labels" else chosen[0] if len(chosen) == 1 else chosen
            yield {"text": _text(row.get("data")), column: one if row.get("annotations") else None}

    several = sum(len(_annotations(row)) > 1 for row in table.rows())
    notes = [f"tasks of Label Studio: the text and the {'spans' if kind == 'labels' else 'choices'} are read"]
    if several:
        notes.append(f"{counted(several, 'task has', 'tasks have')} several annotations: the first is read")
    if skipped:
        notes.append(f"{counted(skipped, 'task')} left out, because the annotator skipped it")
    return replace(table, columns=("text", column), rows=rows, notes=(*table.notes, *notes))


def _annotations(row: RawRow) -> list[Any]:
    """The annotations that were submitted: one that was skipped is empty, and says nothing of its text."""
    found = row.get("annotations")
    return [one for one in found if not _was_cancelled(one)] if isinstance(found, list) else []


def _is_skipped(row: RawRow) -> bool:
    return bool(row.get("annotations")) and not _annotations(row)


def _was_cancelled(annotation: Any) -> bool:
    return isinstance(annotation, Mapping) and annotation.get("was_cancelled") is True


def _results(row: RawRow) -> list[Mapping[str, Any]]:
    annotations = _annotations(row)
    first = annotations[0] if annotations else None
    results = first.get("result") if isinstance(first, Mapping) else None
    return [item for item in results if isinstance(item, Mapping)] if isinstance(results, list) else []


def _text(data: Any) -> Any:
    """The text of a task: the column with a usual name, else the only one."""
    if not isinstance(data, Mapping):
        return None
    column = by_name(list(data), TEXTS)
    return data[column] if column else next(iter(data.values())) if len(data) == 1 else None
