"""A frame in memory as a file, so that worker processes can read its rows."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.data.cache import default_cache
from bench.runs import atomic_files

if TYPE_CHECKING:
    import pandas
    import pyarrow

PLAIN = (str, int, float, bool)
"""Values that are texts beside texts."""


def file_of(data: Any) -> str:
    """A path unchanged; a frame (pandas, or any with Arrow's interface: polars, pyarrow) as a Parquet
    file in the cache folder. The file is named by a digest of its content: equal frames share it, others never do.

    BenchError for other values, and for a frame that cannot be stored as a table."""
    if isinstance(data, str | Path):
        return str(data)
    content = _parquet(_arrow(data))
    path = default_cache() / "frames" / f"frame-{hashlib.sha256(content).hexdigest()[:12]}.parquet"
    if not path.is_file():
        atomic_files.write(path, content)
    return str(path)


def _arrow(data: Any) -> pyarrow.Table:
    """The frame's columns by name; a named index is a column, as it is in a file that pandas writes."""
    import pandas
    import pyarrow

    try:
        if isinstance(data, pandas.DataFrame):
            return _of_pandas(data)
        if hasattr(data, "__arrow_c_stream__") and not isinstance(data, pandas.Series):
            return pyarrow.table(data)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        if isinstance(error, BenchError):
            raise
        reason = " ".join(str(error).split())
        raise BenchError(
            f"data: the frame cannot be kept as a table ({reason}): give each column one kind of value",
            code="frame-values",
        ) from error
    raise BenchError(
        f"data is a {type(data).__name__}: give the path of a file, or a pandas frame", code="data-type"
    )


def _of_pandas(frame: pandas.DataFrame) -> pyarrow.Table:
    """A pandas frame as a table. BenchError names the columns that cannot be one."""
    import pyarrow

    if frame.columns.nlevels > 1:
        raise BenchError(
            "data: the frame has more than one row of column names; flatten them", code="frame-columns"
        )
    names = set(map(str, frame.columns))
    index = [name for name in frame.index.names if name is not None and str(name) not in names]
    frame = (frame.reset_index(index) if index else frame).rename(columns=str)
    columns = [_column(frame.iloc[:, place]) for place in range(len(frame.columns))]
    return pyarrow.Table.from_arrays(columns, names=list(frame.columns))  # two may have one name: by number


def _column(values: pandas.Series) -> pyarrow.Array | pyarrow.ChunkedArray:
    """A column as Arrow has it; numbers mixed with texts, periods and intervals as texts, as in a CSV file."""
    import pandas
    import pyarrow

    kind = (
        values.dtype.categories.dtype if isinstance(values.dtype, pandas.CategoricalDtype) else values.dtype
    )
    if isinstance(kind, (pandas.PeriodDtype, pandas.IntervalDtype)):
        values = values.astype(object).map(str, na_action="ignore")
    elif isinstance(kind, pandas.SparseDtype):
        values = values.astype(kind.subtype)
    elif pandas.api.types.is_object_dtype(kind) and all(
        isinstance(value, PLAIN) for value in values.dropna()
    ):
        kinds = {type(value) for value in values.dropna()}
        if str in kinds and len(kinds) > 1:
            values = values.astype(object).map(str, na_action="ignore")
    try:
        return pyarrow.Array.from_pandas(values)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        kinds = sorted({type(value).__name__ for value in values.dropna()})
        raise BenchError(
            f"data: column '{values.name}' holds values that no table can keep ({', '.join(kinds[:4])}): "
            "make them texts or numbers, or drop the column",
            code="frame-values",
        ) from error


def _parquet(table: pyarrow.Table) -> bytes:
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()
