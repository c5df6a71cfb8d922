"""The examples of a cell in a baseline: the columns that metrics need, packed, and digests of the others."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.analysis.loading import Columns, LeftOut, Run, columns
from bench.analysis.regression.digests import LENGTH, column_digest
from bench.contracts import BenchError, Metric
from bench.runs.record import Record

LABELLED = ("macro_f1", "class_f1", "macro_recall", "class_precision", "class_recall", "sets_f1", "mcc")
GROUP = ("group",)  # kept where a prediction file has it: examples are resampled by it
MOST_VALUES = 20_000_000
"""Values that the columns of a cell may have together."""
TYPES = ("|u1", "<u2", "<u4", "<u8", "<f4")
"""What numbers are packed as."""


def needed(metrics: Iterable[Metric]) -> list[str]:
    """The columns that the metrics are computed from."""
    names: dict[str, None] = {}
    for metric in metrics:
        names |= dict.fromkeys(("reference", "prediction") if metric.kind in LABELLED else metric.columns)
    return list(names)


def encoded(record: Record, run: Run) -> dict[str, Any]:
    """By test set: the number of examples, the digest of their ids, the needed columns, and a digest of each other;
    none where the run is itself a baseline of an earlier version."""
    table = run.predictions(record.cell.id)
    known = {} if run.left_out is None else run.left_out(record.cell.id)
    tests = {}
    for test in record.scores:
        rows = columns(table, test)
        kept = [*needed(record.metrics), *_known(GROUP, rows)]
        content = {
            "examples": len(rows["id"]),
            "ids": id_digest(rows["id"]),
            "columns": {name: _packed(rows[name]) for name in kept},
        }
        digests = {} if run.left_out is None else known.get(test)
        if digests is not None:
            others = [name for name in rows if name not in ("id", "split", *kept)]
            digests = {**digests, **{name: column_digest(rows, name) for name in others}}
            if digests or "prediction" not in kept:
                content["left_out"] = {name: value.hex() for name, value in digests.items()}
        tests[test] = content
    return tests


def _known(names: Iterable[str], rows: Columns) -> list[str]:
    return [name for name in names if name in rows]


def id_digest(ids: Sequence[Any] | np.ndarray) -> str:
    """A short digest of the ids in order. A baseline holds the digest in place of the ids, on every row."""
    if len(ids) and str(ids[0]).startswith("sha256:") and all(name == ids[0] for name in ids):
        return str(ids[0])
    text = "\n".join(map(str, ids))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _packed(values: np.ndarray) -> dict[str, Any]:
    labels = None
    if values.dtype.kind in "OUS":
        found, values = np.unique(values.astype(str), return_inverse=True)
        labels = found.tolist()
    narrow = _narrowed(np.asarray(values))
    data = base64.b64encode(zlib.compress(narrow.tobytes(), 9)).decode()
    packed: dict[str, Any] = {"type": narrow.dtype.str, "data": data}
    return packed if labels is None else {**packed, "labels": labels}


def _narrowed(values: np.ndarray) -> np.ndarray:
    """The same numbers, little-endian: whole ones in the smallest unsigned type that holds them."""
    if values.size == 0 or (values.min() >= 0 and (values == np.floor(values)).all()):
        largest = int(values.max()) if values.size else 0
        return values.astype(np.dtype(np.min_scalar_type(largest)).newbyteorder("<"))
    return values.astype("<f4")


def decoded(tests: Mapping[str, Any], where: str) -> dict[str, np.ndarray]:
    """All test sets as one prediction file; `id` is the digest of the test set's ids on every row."""
    parts: dict[str, list[np.ndarray]] = {}
    try:
        _check_sizes(tests)
        for test, content in tests.items():
            size = content["examples"]
            parts.setdefault("split", []).append(np.full(size, test, dtype=object))
            parts.setdefault("id", []).append(np.full(size, content["ids"], dtype=object))
            for name, packed in content["columns"].items():
                parts.setdefault(name, []).append(_unpacked(packed, size))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, zlib.error) as error:
        raise _damaged(where) from error
    return {name: np.concatenate(values) for name, values in parts.items()}


def left_out(tests: Mapping[str, Any], where: str) -> LeftOut:
    """The digests of the columns that a baseline leaves out, by test set; of no test set that has none."""
    try:
        found = {
            test: {name: bytes.fromhex(value) for name, value in content["left_out"].items()}
            for test, content in tests.items()
            if "left_out" in content
        }
        if any(len(value) != LENGTH for digests in found.values() for value in digests.values()):
            raise ValueError("no digest")
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(where) from error
    return found


def _damaged(where: str) -> BenchError:
    return BenchError(
        f"{where}: the examples are damaged: restore the file or make a new baseline", code="damaged-baseline"
    )


def _check_sizes(tests: Mapping[str, Any]) -> None:
    """ValueError where the columns would have more than MOST_VALUES values, or sizes are no sizes."""
    total = 0
    for content in tests.values():
        size = content["examples"]
        if type(size) is not int or not 0 <= size <= MOST_VALUES:
            raise ValueError("no number of examples")
        total += size * (2 + len(content["columns"]))
    if total > MOST_VALUES:
        raise ValueError("too many values")


def _unpacked(packed: Mapping[str, Any], size: int) -> np.ndarray:
    """A column of `size` values. At most that many are unpacked, whatever the data would unpack to."""
    if packed["type"] not in TYPES:
        raise ValueError("no type of numbers")
    expected = size * np.dtype(packed["type"]).itemsize
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(base64.b64decode(packed["data"]), expected + 1)
    if len(content) != expected or not unpacking.eof:
        raise ValueError("wrong number of examples")
    values = np.frombuffer(content, dtype=packed["type"])
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    if "labels" not in packed:
        return values.astype(float)
    return np.array(packed["labels"], dtype=object)[values.astype(np.intp)]
