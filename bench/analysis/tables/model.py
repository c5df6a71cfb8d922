"""The table model that every renderer reads: pure data in plain units, without layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Unit = Literal[
    "score",
    "percent",
    "seconds",
    "milliseconds",
    "times",
    "share",
    "bytes",
    "count",
    "rank",
    "text",
    "p",
    "effect",
    "error",
]
Mark = Literal["", "best", "tied", "loud"]
ADAPTED = "†"
"""The note of a value whose run was adapted."""


@dataclass(frozen=True)
class Entry:
    """One value in the unit of its column: a score, percent, share or p in [0, 1] (percent may leave it), an error
    in the units of the labels, seconds, bytes, a count, or a text; None where there is none, and then `note` says
    why.

    spread: half of an interval or a standard deviation, in the unit of `value`; the table's notes say which.
    bounds: of an interval that is not symmetric; `spread` is then its longer side. cut: whether they are those of a
    wider interval, cut to what the value can be.
    points: the values of single seeds, in place of an interval that would not hold.
    mark: the best of its column within a block, or not distinguishable from it; or a word to be seen first.
    note: a few words shown with the value ("2/3") or in place of it ("failed").
    label: what people read in place of a text, which machines are given.
    """

    value: float | str | None = None
    spread: float | None = None
    mark: Mark = ""
    note: str = ""
    bounds: tuple[float, float] | None = None
    points: tuple[float, ...] = ()
    cut: bool = False
    label: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its key for machines, its heading for people, its unit, and the task that it belongs to. A score is
    better the higher it is, an error the lower."""

    name: str
    heading: str
    unit: Unit
    group: str = ""

    @property
    def key(self) -> str:
        """Unique within a table."""
        return f"{self.group}/{self.name}" if self.group else self.name


@dataclass(frozen=True)
class Row:
    """A row: one label for each of the table's headings and one entry for each column."""

    labels: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Block:
    """Rows that belong together; `title` is a task, or empty where the table has a single block."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table. `headings` name the row labels; `notes` are its footnotes, one paragraph each. `details` are further
    footnotes, on data, recipe and machine, which a screen shows on request and every other format always."""

    caption: str
    headings: tuple[str, ...]
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    title: str = ""  # what the titles of blocks are: "task"
    details: tuple[str, ...] = ()

    @property
    def every_note(self) -> tuple[str, ...]:
        """The notes, then the details."""
        return (*self.notes, *self.details)

    def unfolded(self) -> Table:
        """The same table with its details among the notes."""
        return replace(self, notes=self.every_note, details=())

    def groups(self) -> list[tuple[str, int]]:
        """The column groups in order, with the number of columns of each."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans
