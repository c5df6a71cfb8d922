"""Prediction files of a whole run, read once each and held in a tenth of the memory that their columns take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.loading import Columns, LazyColumns, Predictions, column

if TYPE_CHECKING:
    import pyarrow

OF_TASK = ("split", "id", "reference", "group")
"""The columns that the cells of a task share: each is one array, whatever the number of files."""


@dataclass(frozen=True)
class _Narrow:
    """Numbers in the smallest type that holds them exactly."""

    values: np.ndarray
    dtype: np.dtype[Any]

    def column(self) -> np.ndarray:
        return self.values.astype(self.dtype)


@dataclass(frozen=True)
class _Texts:
    """Texts as they are in the file, one after another."""

    values: pyarrow.ChunkedArray

    def column(self) -> np.ndarray:
        return column(self.values)


@dataclass(frozen=True)
class _AsIs:
    values: np.ndarray

    def column(self) -> np.ndarray:
        return self.values


_Held = _Narrow | _Texts | _AsIs


def held(predictions: Callable[[str], Predictions]) -> Callable[[str], Columns]:
    """Reads and verifies each file once, and makes the columns that are read anew for each call."""

    @cache
    def read_once(cell: str) -> dict[str, _Held]:
        return _all_held(predictions(cell))

    return lambda cell: LazyColumns({name: item.column for name, item in read_once(cell).items()})


def _all_held(table: Predictions) -> dict[str, _Held]:
    if isinstance(table, Mapping):
        return {name: _narrowed(values) for name, values in table.items()}
    return {name: _of_file(name, table[name]) for name in table.column_names}


def _of_file(name: str, values: pyarrow.ChunkedArray) -> _Held:
    import pyarrow

    if name in OF_TASK or not pyarrow.types.is_string(values.type) or values.null_count:
        return _narrowed(column(values))
    return _Texts(values)


def _narrowed(values: np.ndarray) -> _Held:
    """Whole numbers from 0 on, and fractions that float32 holds."""
    if values.dtype.kind not in "if" or not len(values):
        return _AsIs(values)
    if values.dtype.kind == "i":
        if values.min() < 0:
            return _AsIs(values)
        narrow = values.astype(np.min_scalar_type(int(values.max())))
    else:
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float32)
        if not np.array_equal(narrow.astype(values.dtype), values):
            return _AsIs(values)
    return _Narrow(narrow, values.dtype)
