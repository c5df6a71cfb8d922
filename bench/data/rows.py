"""The rows of a task as one Parquet file in the cache, checked by content each time they are read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import QuestionExample, Splits, TextExample, WordsExample
from bench.data.cache import cache_errors, locked, notice, work_folder
from bench.data.splits import all_splits, fingerprint

if TYPE_CHECKING:
    import pyarrow as pa

_LAYOUT = 1  # of the file; part of its name
_TYPES = {kind.__name__: kind for kind in (TextExample, WordsExample, QuestionExample)}


def cached_splits(name: str, version: int, build: Callable[[], Splits], cache: Path) -> Splits:
    """The splits in `<cache>/rows/<name>-v<version>….parquet`; `build` makes them where that file is missing,
    and again, with a notice, if its rows were changed. BenchError as `build` raises."""
    path = rows_file(name, version, cache)
    stem = path.stem
    found = _read(path)
    if found:
        return found
    with locked(cache, f"rows-{stem}"):
        found = _read(path)
        if found:
            return found
        if path.exists():
            notice(f"the cached rows of '{name}' are damaged: building them again ({path})")
        splits = build()
        with cache_errors(cache):
            _write(path, splits, cache)
    return splits


def rows_file(name: str, version: int, cache: Path) -> Path:
    """Where the rows of a task are kept."""
    return cache / "rows" / f"{name}-v{version}.{_LAYOUT}.parquet"


def cached_rows(name: str, version: int, ids: Sequence[str], cache: Path) -> dict[str, Any]:
    """The examples with these ids by id, out of the cached rows of a task; those that are not there are left
    out. It builds nothing and reads no other row, so their fingerprint is not checked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = rows_file(name, version, cache)
    try:
        table = pq.read_table(path, filters=[("id", "in", list(ids))])
        return {example.id: example for _, example in _examples(table)}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return {}


def _write(path: Path, splits: Splits, cache: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = type(splits.train[0])
    named = all_splits(splits)
    columns: dict[str, list[Any]] = {"split": [name for name, rows in named.items() for _ in rows]}
    for field in fields(kind):
        columns[field.name] = [getattr(row, field.name) for rows in named.values() for row in rows]
    if kind is QuestionExample:
        pairs = columns["answers"]
        columns["answers"] = [[text for text, _ in answers] for answers in pairs]
        columns["starts"] = [[start for _, start in answers] for answers in pairs]
    about = {
        "type": kind.__name__,
        "splits": list(named),
        "fingerprint": fingerprint(row for rows in named.values() for row in rows),
    }
    table = pa.table(columns).replace_schema_metadata({"transferbench": json.dumps(about)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with work_folder(cache) as work:
        pq.write_table(table, work / "rows.parquet", compression="zstd")
        os.replace(work / "rows.parquet", path)


def _read(path: Path) -> Splits | None:
    """The splits, or None where the file is missing, unreadable, or not what its fingerprint says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        about = _about(table)
        found = _examples(table)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None
    if fingerprint(example for _, example in found) != about["fingerprint"]:
        return None
    named: dict[str, list[Any]] = {name: [] for name in about["splits"]}
    for name, example in found:
        named[name].append(example)
    return _assembled(named)


def _about(table: pa.Table) -> dict[str, Any]:
    return json.loads((table.schema.metadata or {})[b"transferbench"])


def _examples(table: pa.Table) -> list[tuple[str, Any]]:
    """Every example with the split that it is of."""
    kind = _TYPES[_about(table)["type"]]
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    if kind is QuestionExample:
        pairs = zip(columns["answers"], columns.pop("starts"), strict=True)
        columns["answers"] = [tuple(zip(*pair, strict=True)) for pair in pairs]
    if kind is WordsExample:
        columns["words"], columns["tags"] = (list(map(tuple, columns[name])) for name in ("words", "tags"))
    of = columns.pop("split")
    return [
        (split, kind(**dict(zip(columns, row, strict=True))))
        for split, row in zip(of, zip(*columns.values(), strict=True), strict=True)
    ]


def _assembled(named: dict[str, list[Any]]) -> Splits:
    shift = {name.removeprefix("shift/"): rows for name, rows in named.items() if name.startswith("shift/")}
    return Splits(named["train"], named["validation"], named["test"], shift)
