"""Which column plays which part: as the user says, else as their names and contents make obvious."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from bench.contracts import BenchError
from bench.user_data.tables import Row, Table

ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "classification": {
        "text": ("text", "sentence", "review", "content", "body", "comment", "tweet", "message", "document"),
        "label": (
            "label",
            "labels",
            "class",
            "category",
            "target",
            "topic",
            "sentiment",
            "intent",
            "stars",
            "rating",
        ),
    },
    "sentiment": {
        "text": ("text", "sentence", "review", "content", "body", "comment", "tweet", "message", "document"),
        "label": ("label", "labels", "sentiment", "polarity", "stars", "rating", "score", "class", "target"),
    },
    "ner": {
        "words": ("words", "tokens", "sentence", "text"),
        "tags": ("tags", "ner_tags", "labels", "entities", "ner"),
    },
    "qa": {
        "question": ("question", "query"),
        "context": ("context", "passage", "paragraph", "document", "text"),
        "answer": ("answers", "answer", "answer_text", "span"),
    },
}
"""The parts that an adapter needs, each with the column names that make it obvious, likeliest first."""

OPTIONAL = {"start": ("answer_start", "start", "offset")}
"""Parts that are used where there is such a column."""

Columns = tuple[tuple[str, str], ...]
"""(role, column) pairs."""

FEW = 50  # distinct values of a column that may be labels


def guess_adapter(table: Table) -> str:
    """The adapter whose columns are there by name, questions and words before texts. BenchError where none is."""
    names = {column.lower() for column in table.columns}
    for adapter in ("qa", "ner", "classification"):
        needed = [role for role in ROLES[adapter] if role not in ("words", "text")]
        if all(names & set(ROLES[adapter][role]) for role in needed):
            return "sentiment" if adapter == "classification" and _has_polarities(table) else adapter
    raise BenchError(
        f"{table.where} has the columns {_listed(table.columns)}: say what it is with --adapter "
        "(classification, sentiment, ner or qa) and which columns to use, such as --text and --label"
    )


def _has_polarities(table: Table) -> bool:
    label = _by_name(table.columns, ROLES["classification"]["label"])
    found = {row.get(label or "") for row in table.peek()}
    return found <= {"negative", "neutral", "positive", ""} and found >= {"negative", "positive"}


def choose(table: Table, adapter: str, given: Mapping[str, str]) -> tuple[Columns, tuple[str, ...]]:
    """The columns of an adapter's parts, and what was guessed, in words. BenchError where a column that is
    named does not exist, or a part is not obvious."""
    for role, column in given.items():
        if column not in table.columns:
            near = difflib.get_close_matches(column, table.columns, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise BenchError(
                f"{table.where} has no column '{column}' for --{role}: {hint}it has {_listed(table.columns)}"
            )
    chosen = dict(given)
    guessed = []
    for role, names in ROLES[adapter].items():
        if role not in chosen:
            free = [column for column in table.columns if column not in chosen.values()]
            column = _by_name(free, names) or _by_content(table.peek(), free, role)
            if column is None:
                raise BenchError(
                    f"{table.where}: which column is the {role}? say --{role} COLUMN ({_listed(free)})"
                )
            chosen[role] = column
            guessed.append(f"{role} is '{column}'")
    for role, names in OPTIONAL.items() if adapter == "qa" else ():
        column = _by_name([column for column in table.columns if column not in chosen.values()], names)
        if column and role not in chosen:
            chosen[role] = column
            guessed.append(f"{role} is '{column}'")
    notes = (f"columns guessed: {', '.join(guessed)}",) if guessed else ()
    return tuple(chosen.items()), notes


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def _by_content(rows: Sequence[Row], columns: Sequence[str], role: str) -> str | None:
    """For a text the column with by far the longest values; for a label the only one with few different values."""
    values = {column: [row.get(column) for row in rows] for column in columns}
    if role == "text":
        lengths = sorted(((_mean_length(found), column) for column, found in values.items()), reverse=True)
        if lengths and lengths[0][0] >= 12 and (len(lengths) == 1 or lengths[0][0] > 2 * lengths[1][0]):
            return lengths[0][1]
    if role == "label":
        few = [
            column
            for column, found in values.items()
            if 2 <= len({str(v) for v in found}) <= min(FEW, len(rows) // 5)
        ]
        if len(few) == 1:
            return few[0]
    return None


def _mean_length(values: Sequence[Any]) -> float:
    lengths = [len(value) for value in values if isinstance(value, str)]
    return sum(lengths) / len(values) if values else 0.0


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"'{column}'" for column in columns[:20]) or "no columns"
