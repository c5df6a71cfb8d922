"""Tables with a span a row: those of one text belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.column_names import by_name
from bench.user_data.columns import ROLES, TEXTS
from bench.user_data.labels import as_number
from bench.user_data.span_cells import END, START
from bench.user_data.spans import words_in
from bench.user_data.tables import RawRow, RawTable
from bench.user_data.values import as_text

NEARLY_ALL = 0.9  # share of rows in which two numbers must be the start and the end of words


def refuse_span_rows(table: RawTable, given: Mapping[str, str], adapter: str) -> None:
    """BenchError where two columns say where a span of the text is: its label is none of the whole text. given:
    columns by role; where the label is named, it is meant."""
    text, label = by_name(table.columns, TEXTS), by_name(table.columns, ROLES["classification"]["label"])
    start, end = by_name(table.columns, START), by_name(table.columns, END)
    asks = by_name(table.columns, ROLES["qa"]["question"])
    if adapter not in ("", "ner") or "label" in given or asks or not (text and label and start and end):
        return
    rows = [row for row in table.peek() if as_text(row.get(start))]
    if not rows or sum(_is_span(row, text, start, end) for row in rows) < NEARLY_ALL * len(rows):
        return
    raise BenchError(
        f"{table.where}: a row is a span of '{text}', from '{start}' to '{end}', and '{label}' is that of the "
        'span: write a row for each text, such as {"text": "Ann ran", "entities": [[0, 3, "PER"]]}; if it is the '
        f"label of the whole text, say --label {label}",
        code="span-a-row",
    )


def _is_span(row: RawRow, text: str, start: str, end: str) -> bool:
    """Whether two numbers are where a word begins and where one ends, the place after it or its last character."""
    written, first, last = str(row.get(text)), *(as_number(as_text(row.get(c))) for c in (start, end))
    if first is None or last is None or not 0 <= first <= last <= len(written):
        return False
    words = words_in(written)
    return any(a == first for a, _ in words) and any(b in (last, last + 1) for _, b in words)


def joined_spans(table: RawTable) -> RawTable:
    """Tasks of Prodigy with the spans of all rows of one text in the first: where it asks for each span whether it
    fits, each has a row of its own."""
    counts = Counter(row["text"] for row in table.rows() if _has_spans(row))
    several = {text for text, count in counts.items() if count > 1}
    if not several:
        return table

    def rows() -> Iterator[RawRow]:
        spans: dict[str, list[Any]] = {text: [] for text in several}
        for row in table.rows():
            if _has_spans(row) and row["text"] in several:
                found = spans[row["text"]]
                found += [span for span in row["spans"] if span not in found]
        for row in table.rows():
            if not _has_spans(row) or row["text"] not in several:
                yield row
            elif row["text"] in spans:
                yield {**row, "spans": spans.pop(row["text"])}

    note = (
        f"look: {counted(len(several), 'text has', 'texts have')} spans in several rows, which are read as one: "
        "what no row marks counts as no entity"
    )
    return replace(table, rows=rows, notes=(*table.notes, note))


def _has_spans(row: RawRow) -> bool:
    return isinstance(row.get("text"), str) and isinstance(row.get("spans"), list)
