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
    import pyarrow


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
    """The frame's columns by name, without its index."""
    import pandas
    import pyarrow

    try:
        if isinstance(data, pandas.DataFrame):
            if data.columns.nlevels > 1:
                raise BenchError(
                    "data: the frame has more than one row of column names; flatten them",
                    code="frame-columns",
                )
            named = data.rename(columns=str)
            return pyarrow.Table.from_pandas(named, preserve_index=False).replace_schema_metadata()
        if hasattr(data, "__arrow_c_stream__"):
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


def _parquet(table: pyarrow.Table) -> bytes:
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()
