"""Digests of columns of outcomes: whether two runs predict the same, without holding what they predict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.loading import Columns, LazyColumns

if TYPE_CHECKING:
    import pyarrow

LENGTH = 16
"""Bytes of a digest: baselines keep one of every column that they leave out."""


def column_digest(columns: Columns, name: str) -> bytes:
    """The digest of a column. Texts of a prediction file are not decoded for it."""
    file = columns.file if isinstance(columns, LazyColumns) else None
    texts = None if file is None else digest_of_file(file[name])
    return digest(columns[name]) if texts is None else texts


def digest_of_file(values: pyarrow.ChunkedArray) -> bytes | None:
    """As `digest`, of a column of texts that is not decoded; None where it is another, or must be."""
    import pyarrow
    import pyarrow.compute

    if not len(values) or values.null_count or not pyarrow.types.is_string(values.type):
        return None
    texts = values.combine_chunks()
    rows = pyarrow.ListArray.from_arrays(pyarrow.array([0, len(texts)], pyarrow.int32()), texts)
    whole = pyarrow.compute.binary_join(rows, "\0")[0].as_buffer().to_pybytes()  # pyright: ignore
    if whole.count(b"\0") != len(texts) - 1:
        return None
    return _digest(f"{len(texts)}\0".encode() + whole)


def digest(values: np.ndarray) -> bytes:
    """Of texts as they are, and of numbers as float32, which is how a baseline holds fractions."""
    if values.dtype.kind in "OUS":
        return _digest(_joined(values.tolist()).encode(errors="surrogatepass"))
    return _digest((values.astype(np.float32) + np.float32(0)).tobytes())  # -0 is 0


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:LENGTH]


def _joined(values: Sequence[Any]) -> str:
    """One text for each list of texts, and another for every other list. Values that are no texts count as text."""
    try:
        texts, whole = values, "\0".join(values)
    except TypeError:
        texts = [str(value) for value in values]
        whole = "\0".join(texts)
    if whole.count("\0") == len(texts) - 1:  # so it can be split again
        return f"{len(texts)}\0{whole}"
    return "".join(f"{len(text)}:{text}" for text in texts)
