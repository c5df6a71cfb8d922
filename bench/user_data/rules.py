"""How the rows of a task's files are read, once it is learnt from the training file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.user_data.labels import Labelling, as_whole, single_label
from bench.user_data.number_format import plain_number
from bench.user_data.tables import MISSING
from bench.user_data.tagging import Tagging
from bench.user_data.values import as_label, as_text, is_cell_error, written_labels

PLAIN = Labelling()
IOB2 = Tagging()
FLAGS = {"0", "1", "0.0", "1.0"}
MISSING_GROUPS = {*MISSING, "<na>"}
"""Spellings of a missing group, in lower case."""


@dataclass(frozen=True)
class ReadingRules:
    """How the rows of a task's files are read: the same for all files, learnt from the training file.

    columns: column by role. names: label names by column. explicit: the user named the label column or adapter.
    separator: of several labels in a cell. numbers: how they are written, a key of FORMATS. indicators: lists hold
    a 0 or 1 for each label. unknown: labels that stand for none in a held-out file."""

    adapter: str
    columns: Mapping[str, str]
    names: Mapping[str, Sequence[str]]
    explicit: bool = False
    labels: Labelling = PLAIN
    tagging: Tagging = IOB2
    separator: str = ""
    numbers: str = ""
    indicators: bool = False
    mark: str = ""
    unknown: frozenset[str] = frozenset()

    def value(self, row: Mapping[str, Any], role: str) -> Any:
        return row.get(self.columns.get(role, ""))

    def text(self, row: Mapping[str, Any], role: str) -> str:
        """The value of a part as text; '' where it is missing."""
        column = self.columns.get(role, "")
        return "" if is_cell_error(row.get(column)) else as_text(row.get(column), self.names.get(column))

    def label(self, row: Mapping[str, Any]) -> str:
        column = self.columns["label"]
        if is_cell_error(row.get(column)):
            return ""
        found = as_label(single_label(row.get(column)), self.names.get(column))
        return plain_number(found, self.numbers) if self.numbers else found

    def group(self, row: Mapping[str, Any]) -> str:
        """The group of a row, '' where it has none; a whole number is one group, whether it is written as 9 or as
        9.0, and so is a name, however its accents are."""
        found = as_whole(as_label(self.text(row, "group")))
        return "" if found.casefold() in MISSING_GROUPS else found

    def lacks_group(self, row: Mapping[str, Any]) -> bool:
        """Whether what the row has as its group stands for none."""
        return bool(self.text(row, "group")) and not self.group(row)

    def label_set(self, row: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Each of the row's labels once, as they come; None where the cell holds no labels: it is empty, an object
        or the error of a spreadsheet, or it lacks a 0 or 1 for a label."""
        items = self.label_items(row)
        if self.is_unlabelled(row) or any(map(is_cell_error, items)):
            return None
        if any(isinstance(item, (Mapping, list, tuple, bytes)) for item in items):
            return None
        names = self.names.get(self.columns["label"])
        if self.indicators and names:
            return _flagged(names, items)
        found = [text for item in items if (text := as_label(item, names))]
        return tuple(dict.fromkeys(self.labels.label(text) or text for text in found))

    def is_unlabelled(self, row: Mapping[str, Any]) -> bool:
        """Whether the cell of several labels is empty. Where a separator divides them, an empty text says none."""
        value = self.value(row, "label")
        divided = bool(self.separator) and isinstance(value, str)
        return not divided and not as_text(value)

    def label_items(self, row: Mapping[str, Any]) -> list[Any]:
        """What the cell of labels holds, one by one."""
        value: Any = row.get(self.columns["label"])
        found = written_labels(value)
        if found is not None:
            return found
        if isinstance(value, str):
            return self._divided(value)
        return [] if value is None or (isinstance(value, float) and math.isnan(value)) else [value]

    def _divided(self, value: str) -> list[str]:
        return value.split(self.separator) if self.separator else [value]


def _flagged(names: Sequence[str], items: Sequence[Any]) -> tuple[str, ...] | None:
    """The names that have a 1; None where there is not a 0 or 1 for each."""
    if len(items) != len(names) or not {str(item).strip() for item in items} <= FLAGS:
        return None
    return tuple(name for name, item in zip(names, items, strict=True) if float(item))
