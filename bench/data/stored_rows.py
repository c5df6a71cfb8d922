"""Rows of a split that stay in their Parquet file until they are asked for.

The file holds the rows of each split in the order in which samples take them, so that a sample is a prefix: reading
1,000 of 50,000 rows decodes about 1,000 rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from bench.contracts import LabelsExample, NumberExample, QuestionExample, TextExample, WordsExample

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ABOUT = b"transferbench"
"""The key of what a file says of itself, as JSON."""

KINDS = {
    kind.__name__: kind for kind in (TextExample, LabelsExample, NumberExample, WordsExample, QuestionExample)
}

PLACE = "place"
"""The column with a row's position in its split, as the task gives it."""


class StoredRows(Sequence[Any]):
    """The rows of one split, in the task's own order; `first` gives samples.

    parts: the row groups of the file that hold the split, in sampling order. checked: whether every row of the file
    is known to be sound. approve: notes that, for later reads."""

    def __init__(
        self, file: pq.ParquetFile, parts: Sequence[int], checked: bool, approve: Callable[[], None]
    ) -> None:
        self.checked = checked
        self.approve = approve
        self._file = file
        self._parts = parts
        self._count = sum(file.metadata.row_group(part).num_rows for part in parts)
        self._all: list[Any] | None = None

    def first(self, size: int | None, longest: int | None = None) -> list[Any]:
        """The first `size` rows in sampling order; all rows, in the task's order, where there are no more than that
        (None: always). longest: leave out contexts of more characters."""
        taken: list[tuple[int, Any]] = []
        for part in self._parts:
            rows = self._file.read_row_group(part)
            if size is not None and longest is None:
                rows = rows.slice(0, size + 1 - len(taken))  # one more: there are others
            pairs = zip(rows.column(PLACE).to_pylist(), examples(rows), strict=True)
            taken += (pair for pair in pairs if _is_within(pair[1], longest))
            if size is not None and len(taken) > size:
                return [row for _, row in taken[:size]]
        return [row for _, row in sorted(taken, key=lambda pair: pair[0])]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return iter(self._whole())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._whole()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  (as a list)

    def _whole(self) -> list[Any]:
        if self._all is None:
            self._all = self.first(None)
        return self._all


def about(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """What the file says of itself: the type of its examples, and its splits. KeyError or ValueError where it is no
    such file."""
    return json.loads((metadata or {})[ABOUT])


def examples(table: pa.Table) -> list[Any]:
    """The rows of a table as examples."""
    kind = KINDS[about(table.schema.metadata)["type"]]
    columns = {name: table.column(name).to_pylist() for name in table.column_names if name != PLACE}
    columns.pop("split")
    if kind is QuestionExample:
        pairs = zip(columns["answers"], columns.pop("starts"), strict=True)
        columns["answers"] = [tuple(zip(*pair, strict=True)) for pair in pairs]
    for name in ("words", "tags", "labels"):
        if name in columns:
            columns[name] = list(map(tuple, columns[name]))
    return [kind(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _is_within(example: Any, longest: int | None) -> bool:
    return longest is None or not isinstance(example, QuestionExample) or len(example.context) <= longest
