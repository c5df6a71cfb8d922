"""The rows of a task as one Parquet file in the cache. The digest of the file stands beside it and is checked each
time rows are read; rows themselves are decoded as they are asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import Splits
from bench.data.cache import cache_errors, locked, notice, work_folder
from bench.data.splits import all_splits, sampling_order
from bench.data.stored_rows import ABOUT, KINDS, PLACE, StoredRows, examples

if TYPE_CHECKING:
    import pyarrow as pa

_LAYOUT = 2  # of the file; part of its name
_PART = 128  # rows of a row group, the least that is read
LISTS = ("words", "tags", "answers", "labels")
"""The fields that hold several texts."""


@dataclass(frozen=True)
class _Seal:
    """What stands beside a file. parts: how many row groups each split has, in the order of the file. checked:
    whether all rows were found to be sound."""

    sha256: str
    parts: dict[str, int]
    checked: bool = False


def cached_splits(name: str, version: int, build: Callable[[], Splits], cache: Path) -> Splits:
    """The splits in `<cache>/rows/<name>-v<version>….parquet`; `build` makes them where that file is missing,
    and again, with a notice, if the file was changed. BenchError as `build` raises."""
    path = rows_file(name, version, cache)
    found = _read(path, cache)
    if found:
        return found
    with locked(cache, f"rows-{path.stem}"):
        found = _read(path, cache)
        if found:
            return found
        if path.exists():
            notice(f"the cached rows of '{name}' are damaged: building them again ({path})")
        splits = build()
        with cache_errors(cache):
            _write(path, splits, cache)
    return _read(path, cache) or splits


def rows_file(name: str, version: int, cache: Path) -> Path:
    """Where the rows of a task are kept."""
    return cache / "rows" / f"{name}-v{version}.{_LAYOUT}.parquet"


def cached_rows(name: str, version: int, ids: Sequence[str], cache: Path) -> dict[str, Any]:
    """The examples with these ids by id, out of the cached rows of a task; those that are not there are left
    out. It builds nothing and decodes no other row; the file's digest is not checked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = rows_file(name, version, cache)
    try:
        table = pq.read_table(path, filters=[("id", "in", list(ids))])
        return {example.id: example for example in examples(table)}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return {}


def _write(path: Path, splits: Splits, cache: Path) -> None:
    """Nothing is written where a row has a value of another type; the checks will name it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = type(splits.train[0])
    try:
        tables = {split: _table(split, rows, kind) for split, rows in all_splits(splits).items()}
    except (pa.ArrowException, TypeError, ValueError):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with work_folder(cache) as work:
        new = work / "rows.parquet"
        with pq.ParquetWriter(new, tables["train"].schema, compression="zstd") as writer:
            for table in tables.values():
                writer.write_table(table, row_group_size=_PART)
        sha256 = hashlib.sha256(new.read_bytes()).hexdigest()
        os.replace(new, path)
    _put_seal(path, _Seal(sha256, {split: -(-len(t) // _PART) for split, t in tables.items()}), cache)


def _table(split: str, rows: Sequence[Any], kind: type) -> pa.Table:
    """The rows of a split in the order in which samples take them."""
    import pyarrow as pa

    order = sampling_order(rows, covering=split == "train")
    ordered = [rows[place] for place in order]
    texts, text = pa.list_(pa.string()), pa.string()
    columns: dict[str, Any] = {
        "split": pa.array([split] * len(rows), text),
        PLACE: pa.array(order, pa.int64()),
    }
    for field in fields(kind):
        values = [getattr(row, field.name) for row in ordered]
        if field.name == "answers":
            columns["starts"] = pa.array([[at for _, at in pairs] for pairs in values], pa.list_(pa.int64()))
            values = [[answer for answer, _ in pairs] for pairs in values]
        kind_of = pa.float64() if field.name == "number" else texts if field.name in LISTS else text
        columns[field.name] = pa.array(values, kind_of)
    return pa.table(columns).replace_schema_metadata({ABOUT: json.dumps({"type": kind.__name__})})


def _put_seal(path: Path, seal: _Seal, cache: Path) -> None:
    with work_folder(cache) as work:
        (work / "seal.json").write_text(json.dumps(asdict(seal)), encoding="utf-8")
        os.replace(work / "seal.json", _seal_of(path))


def _seal_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _seal(path: Path) -> _Seal | None:
    try:
        return _Seal(**json.loads(_seal_of(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _read(path: Path, cache: Path) -> Splits | None:
    """The splits, or None where the file is missing, unreadable, or not what its digest says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    seal = _seal(path)
    try:
        content = path.read_bytes()
        if seal is None or hashlib.sha256(content).hexdigest() != seal.sha256:
            return None
        file = pq.ParquetFile(pa.BufferReader(content))
        known = KINDS.keys() & {json.loads((file.schema_arrow.metadata or {})[ABOUT])["type"]}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None
    return _assembled(file, seal, partial(_approve, path, seal, cache)) if known else None


def _approve(path: Path, seal: _Seal, cache: Path) -> None:
    """Note that all rows are sound. A cache that cannot be written costs a second check."""
    with suppress(OSError):
        _put_seal(path, replace(seal, checked=True), cache)


def _assembled(file: Any, seal: _Seal, approve: Callable[[], None]) -> Splits:
    named: dict[str, StoredRows] = {}
    start = 0
    for name, count in seal.parts.items():
        named[name] = StoredRows(file, range(start, start + count), seal.checked, approve)
        start += count
    shift = {name.removeprefix("shift/"): rows for name, rows in named.items() if name.startswith("shift/")}
    return Splits(named["train"], named["validation"], named["test"], shift)
