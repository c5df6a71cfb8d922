"""Digests of the predictions of a seed: whether two runs predict the same, without holding what they predict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.loading import Columns, LazyColumns
from bench.analysis.regression.baseline import needed
from bench.contracts import Metric

if TYPE_CHECKING:
    import pyarrow


class Outcomes(Mapping[str, bytes]):
    """A digest of every column of outcomes, made where it is asked for. The columns that the metric reads come
    first, the predicted before the given: two seeds that differ nearly always do so there, and the others need no
    look."""

    def __init__(self, columns: Columns, metric: Metric) -> None:
        read = needed((metric,))
        names = [name for name in columns if name not in ("id", "split")]
        self._names = sorted(names, key=lambda name: (name not in read, name == "reference"))
        self._columns = columns

    def __getitem__(self, name: str) -> bytes:
        columns = self._columns
        file = columns.file if isinstance(columns, LazyColumns) else None
        texts = None if file is None else digest_of_file(file[name])
        return digest(columns[name]) if texts is None else texts

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def same_outcomes(before: Sequence[Mapping[str, bytes]], after: Sequence[Mapping[str, bytes]]) -> bool:
    """Whether each seed has the same value in every column that both runs have of it."""
    for then, now in zip(before, after, strict=True):
        shared = [name for name in then if name in now]
        differ = then is not now and any(then[name] != now[name] for name in shared)
        if differ or not shared:
            return False
    return True


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
    return hashlib.sha256(f"{len(texts)}\0".encode() + whole).digest()


def digest(values: np.ndarray) -> bytes:
    """Of texts as they are, and of numbers as float32, which is how a baseline holds fractions."""
    if values.dtype.kind in "OUS":
        content = _joined(values.tolist()).encode(errors="surrogatepass")
    else:
        content = (values.astype(np.float32) + np.float32(0)).tobytes()  # -0 is 0
    return hashlib.sha256(content).digest()


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
