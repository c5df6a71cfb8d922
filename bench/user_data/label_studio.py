"""Tasks that Label Studio exports as JSON: a text, and what annotators said of it by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.column_names import by_name, names_of
from bench.user_data.columns import ROLES, TEXTS
from bench.user_data.span_units import is_at_place, ways_of
from bench.user_data.tables import RawRow, RawTable

ENOUGH = 100  # tasks from which the text is told

OWN = ("data", "annotations")
"""The columns of tasks that are read."""

LABELS = "labels"
"""The kind of a result that is a span of the text."""

VALUES = {"choices": "choices", "rating": "rating", "number": "number"}
"""The kinds of results that say something of a whole text, and where each has it."""


def tasks_of(table: RawTable, given: Mapping[str, str] = MappingProxyType({})) -> RawTable:
    """The text of each task, with the choices, ratings or spans of its first annotation: in a column named like
    labels, or one for each question where there are several. The table unchanged where it has none of these. given:
    columns by role, of which those that are there are kept. BenchError where the text of a task may be any of
    several values, and none is named."""
    questions: dict[tuple[str, str], None] = {}
    for row in table.rows():
        questions |= {(_kind(result), str(result.get("from_name", ""))): None for result in _results(row)}
    asked = {question: "" for question in questions if question[0] in (LABELS, *VALUES)}
    if not asked:
        return table
    alone = [one for one in asked if sum((kind == LABELS) == (one[0] == LABELS) for kind, _ in asked) == 1]
    for kind, name in sorted(asked, key=lambda one: one not in alone):
        usual = "entities" if kind == LABELS else "label"
        taken = {"", "text", *asked.values()}
        own = usual if (kind, name) in alone else name
        asked[kind, name] = f"{own} ({kind})" if own in taken else own
    kept = [
        c
        for c in dict.fromkeys(given.values())
        if c in table.columns and c not in ("text", *OWN, *asked.values())
    ]
    is_named = (given.get("words") or given.get("text")) in kept
    key = "" if is_named else _key_of_text(table)

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            if not _is_skipped(row):
                text = {} if is_named else {"text": _text(row.get("data"), key)}
                yield {**text, **{column: row.get(column) for column in kept}, **_answers(row, asked)}

    columns = (*([] if is_named else ["text"]), *kept, *asked.values())
    notes = [*_notes(table, asked), *([f"the text of a task is data.{key}"] if key else [])]
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, *notes))


def questions_of(table: RawTable) -> RawTable | None:
    """The tasks as questions on texts whose spans are the answers; None where a task has no question, and where
    spans have several labels or tasks say something else, too."""
    asked: set[tuple[str, str]] = set()
    names: set[str] = set()
    for row in table.rows():
        if not all(isinstance(text, str) for text in _question(row).values()):
            return None
        for result in _results(row):
            value = result.get("value")
            asked.add((_kind(result), str(result.get("from_name", ""))))
            names |= set(map(str, _listed(value.get("labels")))) if isinstance(value, Mapping) else set()
    if len(names) != 1 or len(asked) != 1 or {kind for kind, _ in asked} != {LABELS}:
        return None
    answers = dict.fromkeys(asked, "answers")

    def rows() -> Iterator[RawRow]:
        for row in table.rows():
            if _annotations(row):
                yield {**_question(row), **_answers(row, answers)}

    notes = [*_notes(table, answers), "tasks have a question: the spans of the text are its answers"]
    unread = sum(not row.get("annotations") for row in table.rows())
    if unread:
        notes.append(f"{counted(unread, 'task')} left out, because nobody annotated it")
    columns = ("question", "context", "answers")
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, *notes))


def _question(row: RawRow) -> dict[str, Any]:
    """The question of a task and its context, None where there is none."""
    data = row.get("data")
    data = data if isinstance(data, Mapping) else {}
    return {role: data.get(by_name(list(data), ROLES["qa"][role]) or "") for role in ("question", "context")}


def _answers(row: RawRow, asked: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the first annotation says, by column; None where the task has no annotation."""
    found: dict[str, Any] = {}
    for (kind, name), column in asked.items():
        values = [
            result["value"]
            for result in _results(row)
            if (_kind(result), str(result.get("from_name", ""))) == (kind, name)
            and isinstance(result.get("value"), Mapping)
        ]
        if not row.get("annotations"):
            found[column] = None
        elif kind == LABELS:
            found[column] = values
        else:
            said = [item for value in values for item in _listed(value.get(VALUES[kind]))]
            found[column] = said[0] if len(said) == 1 else said
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _notes(table: RawTable, asked: Mapping[tuple[str, str], str]) -> list[str]:
    kinds = {kind for kind, _ in asked}
    *first, last = ["text", *({"labels": "spans"}.get(kind, kind) for kind in sorted(kinds))]
    notes = [f"tasks of Label Studio: the {', the '.join(first)} and the {last} are read"]
    if len(asked) > 1:
        notes.append(f"annotators answered several questions: {', '.join(asked.values())}")
    several = skipped = 0
    for row in table.rows():
        several += len(_annotations(row)) > 1
        skipped += _is_skipped(row)
    if several:
        notes.append(f"{counted(several, 'task has', 'tasks have')} several annotations: the first is read")
    if skipped:
        notes.append(f"{counted(skipped, 'task')} left out, because the annotator skipped it")
    return notes


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
    found = [item for item in results if isinstance(item, Mapping)] if isinstance(results, list) else []
    return [item for item in found if not (_kind(item) in VALUES and _is_of_region(item))]


def _is_of_region(result: Mapping[str, Any]) -> bool:
    """Whether it says something of a span, as a control with `perRegion` does, not of the whole text."""
    value = result.get("value")
    return isinstance(value, Mapping) and "start" in value


def _kind(result: Mapping[str, Any]) -> str:
    return str(result.get("type", ""))


def _key_of_text(table: RawTable) -> str:
    """The key of the text in `data`: where no text has a usual name, or that one does not hold the spans' own
    texts at their places, the one that does, or the only text. '' for the usual one. BenchError where nothing
    tells."""
    rows = [row for row in table.peek()[:ENOUGH] if isinstance(row.get("data"), Mapping)]
    keys = list(
        dict.fromkeys(key for row in rows for key, value in row["data"].items() if isinstance(value, str))
    )
    fits = Counter(
        key for row in rows for key in keys for result in _results(row) if _is_at_place(row, key, result)
    )
    usual, best = by_name(keys, TEXTS), max(keys, key=fits.__getitem__, default="")
    if usual and fits[usual] == fits[best]:
        return ""
    if not fits[best] and len(keys) > 1:
        raise BenchError(
            f"{table.where}: which value of 'data' is the text? say --text data.KEY, such as --text data.{keys[0]} "
            f"({names_of(keys)})",
            code="unclear-column",
        )
    return best


def _is_at_place(row: RawRow, key: str, result: Mapping[str, Any]) -> bool:
    """Whether a value of `data` holds the text of a span where the span is, in any way of counting."""
    text, span = row["data"].get(key), result.get("value")
    if not isinstance(text, str) or not isinstance(span, Mapping) or not isinstance(span.get("text"), str):
        return False
    start, end = span.get("start"), span.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not span["text"].strip():
        return False
    return is_at_place(text, (start, end, span["text"]), ways_of(text))


def _text(data: Any, key: str) -> Any:
    """The text of a task: what is under the key, else under one with a usual name, else the only value."""
    if not isinstance(data, Mapping):
        return None
    column = key if key in data else by_name(list(data), TEXTS)
    return data[column] if column else next(iter(data.values())) if len(data) == 1 else None
