"""How the rows of a task's files are read, once it is learnt from the training file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.user_data.labels import Labelling, single_label
from bench.user_data.number_format import plain_number
from bench.user_data.tagging import Tagging
from bench.user_data.values import as_label, as_text, is_cell_error, written_list

PLAIN = Labelling()
IOB2 = Tagging()


@dataclass(frozen=True)
class ReadingRules:
    """How the rows of a task's files are read: the same for all files, learnt from the training file.

    columns: column by role. names: label names by column. explicit: the user named the label column or adapter.
    separator: of several labels in a cell. numbers: how
    they are written, a key of FORMATS. indicators: lists hold a 0 or 1 for each label."""

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

    def label_set(self, row: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Each of the row's labels once, as they come; None where the cell holds no labels: an object, or the error
        of a spreadsheet."""
        items = self.label_items(row)
        if any(map(is_cell_error, items)) or any(
            isinstance(item, (Mapping, list, tuple, bytes)) for item in items
        ):
            return None
        names = self.names.get(self.columns["label"])
        if self.indicators and names:
            return tuple(name for name, item in zip(names, items, strict=True) if float(item))
        return tuple(dict.fromkeys(text for item in items if (text := as_label(item, names))))

    def label_items(self, row: Mapping[str, Any]) -> list[Any]:
        """What the cell of labels holds, one by one."""
        value: Any = row.get(self.columns["label"])
        found = written_list(value)
        if found is not None:
            return found
        if isinstance(value, str):
            return self._divided(value)
        return [] if value is None or (isinstance(value, float) and math.isnan(value)) else [value]

    def _divided(self, value: str) -> list[str]:
        return value.split(self.separator) if self.separator else [value]
