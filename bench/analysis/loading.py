"""What an analysis reads: the records of a run and, on demand, the per-example columns of each cell."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from bench.runs.record import Record
from bench.runs.run_inputs import NOTHING, RunInputs

if TYPE_CHECKING:
    import pyarrow

Columns = Mapping[str, np.ndarray]
"""The rows of one test set by column, each [examples]; `id`, `reference`, `prediction` are text."""

Predictions = Union["pyarrow.Table", Columns]
"""What a prediction file holds: columns of equal length, `split` among them."""


LeftOut = Mapping[str, Mapping[str, bytes]]
"""Of a cell of a baseline: digests of the columns that it does not hold, by test set and column."""

RECENT = 64
"""Columns of texts that are remembered: those that the cells of a task share stay among them."""


@dataclass(frozen=True)
class Sums:
    """What is known of prediction files without decoding them. stated: the SHA-256 of a cell's file, by its record;
    '' where it has none. verify: raises where the file is not that one."""

    stated: Callable[[str], str]
    verify: Callable[[str], object]


@dataclass(frozen=True)
class Run:
    """A run, finished or not. `predictions(cell id)` raises where a cell has none. verified: whether checksums
    showed that the records are as they were written. given: what the run had beside its suite.
    planned: the ids of the cells that it is to have; empty where that is not known. left_out: what a baseline has
    in place of some columns, by cell; None where predictions are whole."""

    name: str
    records: Sequence[Record]
    predictions: Callable[[str], Predictions]
    verified: bool = True
    given: RunInputs = NOTHING
    planned: tuple[str, ...] = ()
    sums: Sums | None = None
    left_out: Callable[[str], LeftOut] | None = None

    def missing(self) -> tuple[str, ...]:
        """The ids of planned cells that have no record."""
        recorded = {record.cell.id for record in self.records}
        return tuple(cell for cell in self.planned if cell not in recorded)


class LazyColumns(Mapping[str, np.ndarray]):
    """Columns that are decoded where they are read, each once: most readers need two of ten. file: the same columns
    as a prediction file holds them, where they are all of its rows."""

    def __init__(
        self, decode: Mapping[str, Callable[[], np.ndarray]], file: pyarrow.Table | None = None
    ) -> None:
        self._decode = decode
        self._decoded: dict[str, np.ndarray] = {}
        self.file = file

    def __getitem__(self, name: str) -> np.ndarray:
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = self._decode[name]()
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._decode

    def __iter__(self) -> Iterator[str]:
        return iter(self._decode)

    def __len__(self) -> int:
        return len(self._decode)


def columns(table: Predictions, test: str = "test") -> Columns:
    """The columns of one test set; empty arrays where the file has no such set."""
    whole = arrays(table)
    if "split" not in whole:
        return whole
    chosen = whole["split"] == test
    names = [name for name in whole if name != "split"]
    if chosen.all():
        file = whole.file if isinstance(whole, LazyColumns) else None
        return LazyColumns({name: partial(whole.__getitem__, name) for name in names}, file)
    return LazyColumns({name: partial(_part, whole, name, chosen) for name in names})


def _part(whole: Columns, name: str, chosen: np.ndarray) -> np.ndarray:
    return whole[name][chosen]


def arrays(table: Predictions) -> Columns:
    """All columns of a prediction file, `split` among them."""
    if isinstance(table, Mapping):
        return table
    return LazyColumns({name: partial(column, table[name]) for name in table.column_names}, table)


def column(values: pyarrow.ChunkedArray) -> np.ndarray:
    """A column. Equal columns of texts are one read-only array, within a file and between files: a task's cells
    share ids and labels, and thousands of cells would not fit in memory otherwise."""
    import pyarrow

    if values.null_count or not len(values):
        return _array(values.to_pylist())
    if pyarrow.types.is_string(values.type):
        return _texts(_Texts(values.combine_chunks()))
    if values.type in (pyarrow.int64(), pyarrow.float64()):
        return np.from_dlpack(values.combine_chunks()).copy()  # the file's buffer is not kept
    return _array(values.to_pylist())


class _Texts:
    """A column of texts that equals every other with the same content."""

    def __init__(self, values: pyarrow.StringArray) -> None:
        self.values = values
        content = hashlib.sha256(f"{values.offset} {len(values)}".encode())
        for buffer in values.buffers():
            content.update(buffer or b"")
        self._content = content.digest()

    def __hash__(self) -> int:
        return hash(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Texts) and self._content == other._content


@lru_cache(maxsize=RECENT)
def _texts(column: _Texts) -> np.ndarray:
    coded = column.values.dictionary_encode()
    texts = np.array([sys.intern(text) for text in coded.dictionary.to_pylist()], dtype=object)
    codes: Any = np.from_dlpack(coded.indices)
    found = texts[codes]
    found.flags.writeable = False
    del column.values  # the cache keeps the column's digest alone
    return found


def _array(values: list[Any]) -> np.ndarray:
    """Texts as objects. Arrow's conversion would import pandas, which takes longer than making a whole table."""
    return np.array(values, dtype=object if values and isinstance(values[0], str) else None)
