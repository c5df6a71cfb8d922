"""What Prodigy exports: the decision on each task, choices among options, and labels accepted or rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.text import counted
from bench.user_data.column_names import by_name
from bench.user_data.columns import ROLES
from bench.user_data.span_rows import joined_spans
from bench.user_data.tables import RawRow, RawTable

DECISIONS = {"accept", "reject", "ignore"}
"""What the column `answer` holds."""

MADE = "label"
"""The column that decisions and choices become."""

SAID = ("spans", "entities", "accept", "cats", "tokens", "relations")
"""Columns besides a label in which a task says something of its text."""


def decided(table: RawTable, given: Mapping[str, str]) -> RawTable:
    """The table without tasks that were ignored, or rejected where what they say was thereby found to be wrong.
    given: columns by role; one that is named keeps its meaning."""
    if "answer" in given.values():
        return table
    answers = [row.get("answer") for row in table.peek()] if "answer" in table.columns else []
    if answers and all(isinstance(answer, str) and answer in DECISIONS for answer in answers):
        table = _binary(table, given) or joined_spans(_accepted(table))
    return _choices(table, given)


def _accepted(table: RawTable) -> RawTable:
    """Without the rows that were not accepted: what they say was found to be wrong. Where tasks are about
    spans, one that was accepted without any has none."""
    left_out = sum(row.get("answer") != "accept" for row in table.rows())
    none: RawRow = {"spans": []} if "spans" in table.columns else {}

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            if row.get("answer") == "accept":
                yield {**row, **none} if row.get("spans") is None else row

    notes = [f"{counted(left_out, 'row')} left out, because 'answer' is not accept"] if left_out else []
    columns = tuple(column for column in table.columns if column != "answer")
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, *notes))


def _binary(table: RawTable, given: Mapping[str, str]) -> RawTable | None:
    """Tasks that ask whether one label fits, which a rejected task answers too; None where there are several
    labels, or all were accepted."""
    label = given.get("label")
    if not label or (label == MADE and MADE not in table.columns):
        label = by_name(table.columns, ROLES["classification"]["label"])
    found, ignored = set[tuple[Any, Any]](), 0
    for row in table.rows():
        if any(row.get(column) for column in SAID) or (label and not isinstance(row.get(label), str)):
            return None
        found.add((row[label] if label else "", row.get("answer")))
        ignored += row.get("answer") == "ignore"
    names = {name for name, _ in found}
    if len(names) != 1 or {answer for _, answer in found} < {"accept", "reject"}:
        return None
    (name,) = names
    meant = {"accept": name, "reject": f"not {name}"} if label else {"accept": "accept", "reject": "reject"}
    column = label or MADE

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            if row.get("answer") in meant:
                yield {**row, column: meant[row["answer"]]}

    columns = (*(c for c in table.columns if c not in ("answer", column)), column)
    note = f"'answer' decides the label: accept is '{meant['accept']}', reject is '{meant['reject']}'"
    left = [f"{counted(ignored, 'row')} left out, because 'answer' is ignore"] if ignored else []
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, note, *left))


def _choices(table: RawTable, given: Mapping[str, str]) -> RawTable:
    """The options that were chosen in `accept`, as a column of labels: one a text, or several where the tasks allow
    them. A text of which one option had to be chosen, and none was, has no label."""
    peek = table.peek() if "accept" in table.columns and "accept" not in given.values() else []
    chosen = [row.get("accept") for row in peek]
    if MADE in table.columns or not chosen or not all(map(_is_choice, chosen)) or not any(chosen):
        return table
    several = any(_allows_several(row) or len(row.get("accept") or ()) > 1 for row in table.rows())

    def label_of(chosen: Any) -> Any:
        if chosen is None:
            return None
        names = [str(name) for name in chosen]
        return names if several else names[0] if names else None

    note = f"'accept' holds the {'options' if several else 'option'} that an annotator chose: the labels"
    columns = tuple(MADE if column == "accept" else column for column in table.columns)
    return replace(table, columns=columns, rows=_relabelled(table, label_of), notes=(*table.notes, note))


def _relabelled(table: RawTable, label_of: Callable[[Any], Any]) -> Callable[[], Iterator[RawRow]]:
    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            rest = {key: value for key, value in row.items() if key != "accept"}
            yield {**rest, MADE: label_of(row.get("accept"))}

    return rows


def _is_choice(value: Any) -> bool:
    """Whether a value is a list of the names or numbers of options; an ignored task has none."""
    return value is None or (isinstance(value, list) and all(isinstance(item, (str, int)) for item in value))


def _allows_several(row: RawRow) -> bool:
    config = row.get("config")
    return isinstance(config, Mapping) and config.get("choice_style") == "multiple"
