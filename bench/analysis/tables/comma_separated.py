"""A table as CSV: one row a row, numbers in full."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.tables.model import ADAPTED, Column, Entry, Table
from bench.text import printable

SCORES = ("score", "error")
"""Units that have a column for half of an interval, whatever their entries have."""
SIGNED = re.compile(r"[+-]?\d+(\.\d+)?")
NOTED = ("seconds", "times", "count")
"""Units whose numbers may carry a note, which is a separate column."""


def render(table: Table) -> str:
    """The table, with the intervals and notes of its entries in columns of their own."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    rows = [row for block in table.blocks for row in block.rows]
    columns = [
        _CsvColumn.of(column, [row.entries[place] for row in rows])
        for place, column in enumerate(table.columns)
    ]
    title = [table.title] if table.title else []
    names = [name for column in columns for name in column.names]
    writer.writerow(map(_csv_text, [*title, *table.headings, *names]))
    for block in table.blocks:
        for row in block.rows:
            labels = [*([block.title] if table.title else []), *row.labels]
            pairs = zip(columns, row.entries, strict=True)
            values = [value for column, entry in pairs for value in column.values(entry)]
            writer.writerow([*(_csv_text(label) for label in labels), *values])
    return lines.getvalue()


@dataclass(frozen=True)
class _CsvColumn:
    """A column with those beside it. halves: of intervals, where it has any; ends: of all its intervals, where some
    are not symmetric, so that half of one would say nothing. marks: of scores, and where others have any."""

    column: Column
    halves: bool
    ends: bool
    marks: bool

    @classmethod
    def of(cls, column: Column, entries: Sequence[Entry]) -> _CsvColumn:
        halves = column.unit in SCORES or any(entry.spread is not None for entry in entries)
        ends = any(entry.bounds is not None for entry in entries)
        return cls(column, halves, ends, column.unit in SCORES or any(entry.mark for entry in entries))

    @property
    def names(self) -> list[str]:
        more = [*(["±"] if self.halves else []), *(["low", "high"] if self.ends else [])]
        more += ["mark"] if self.marks or self.column.unit in NOTED else []
        return [self.column.key, *(f"{self.column.key} {name}" for name in more)]

    def values(self, entry: Entry) -> list[str]:
        value, unit = entry.value, self.column.unit
        shown = _csv_text(value) if isinstance(value, str) else "" if value is None else f"{value:.6g}"
        note = _csv_text("adapted" if entry.note == ADAPTED else entry.note)
        if self.marks:
            return [shown, *self._around(entry), entry.mark or note]
        return [shown, *self._around(entry), note] if unit in NOTED else [shown or note, *self._around(entry)]

    def _around(self, entry: Entry) -> list[str]:
        """Half of the interval of an entry, where it has two equal ones, and its ends."""
        half, ends = entry.spread, entry.bounds
        if ends is None and half is not None and isinstance(entry.value, float):
            ends = entry.value - half, entry.value + half
        halves = ["" if half is None or entry.bounds is not None else f"{half:.6g}"]
        low_high = [f"{end:.6g}" for end in ends] if ends else ["", ""]
        return [*(halves if self.halves else []), *(low_high if self.ends else [])]


def _csv_text(text: str) -> str:
    """Text that a spreadsheet does not take for a formula (OWASP, CSV injection)."""
    text = printable(text)
    if SIGNED.fullmatch(text):
        return text
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") and text != "-" else text
