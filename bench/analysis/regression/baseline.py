"""Baselines, which later runs are compared with: results/baselines/SUITE.jsonl, one compact record per line.

A line holds a record without its learning curve, and the columns that its metrics need, compressed: numbers in the
smallest type that holds them exactly (fractions as float32), labels as codes, then zlib and base64. Texts that no
metric reads are left out. Ids are kept as a digest, which is enough to see whether two runs used the same rows.
Lines are sorted by cell, so a new baseline is a small diff in version control.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.loading import Columns, Run, columns
from bench.contracts import BenchError, Metric
from bench.runs.record import Record, read_record

VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From one version of a line to the next; a version that is not listed can no longer be read."""
LABELLED = ("macro_f1", "class_f1")
GROUP = ("group",)  # kept where a prediction file has it: examples are resampled by it
FOLDER = Path("results/baselines")


def dump(run: Run) -> str:
    """The run as a baseline; unfinished cells are kept without examples."""
    lines = [_line(record, run) for record in sorted(run.records, key=lambda record: record.cell.id)]
    return "".join(line + "\n" for line in lines)


def load(text: str, where: str) -> Run:
    """The baseline in `text`, usable as a run; BenchError naming `where` and the line that cannot be read."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise BenchError(f"{where} is empty: make a baseline with `make baseline`", code="baseline-empty")
    records, examples = [], {}
    for number, line in lines:
        place = f"{where}, line {number}"
        value = _migrated(_parsed(line, place), place)
        record = read_record(json.dumps(value["record"]), place)
        records.append(record)
        examples[record.cell.id] = value["examples"]

    def predictions(cell: str) -> Columns:
        if not examples[cell]:
            raise KeyError(cell)
        return _decoded(examples[cell], f"{where}, cell {cell}")

    return Run(where, records, predictions)


def read(path: Path) -> Run:
    """The baseline at a path; BenchError where there is none."""
    try:
        return load(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise BenchError(
            f"{path} does not exist: make a baseline with `make baseline`", code="baseline-missing"
        ) from error
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{path} is damaged (not text): restore it from version control", code="baseline-damaged"
        ) from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}", code="baseline-unreadable") from error


def read_revision(revision: str, suite: str) -> Run:
    """The baseline of a suite as it was committed at a git revision; BenchError where git has none."""
    path = FOLDER / f"{suite}.jsonl"
    command = ["git", "show", f"{revision}:./{path.as_posix()}"]
    try:
        shown = subprocess.run(command, capture_output=True, check=False)
        if revision.startswith("-") or shown.returncode:
            raise BenchError(
                f"git has no {path} at '{revision}': name a run, a baseline file or another revision"
            )
        return load(shown.stdout.decode(), f"{revision}:{path}")
    except FileNotFoundError as error:
        raise BenchError(
            f"{revision} is no run, and git, which could have a baseline of that name, is not installed"
        ) from error
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} at '{revision}' is damaged (not text): name another revision") from error


def _line(record: Record, run: Run) -> str:
    value = json.loads(record.model_copy(update={"curve": ()}).model_dump_json())
    examples = _encoded(record, run) if record.status == "done" else {}
    content = {"baseline_version": VERSION, "record": value, "examples": examples}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _parsed(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if not isinstance(value["baseline_version"], int) or not isinstance(value["examples"], dict):
            raise TypeError("not a baseline line")
        value["record"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(
            f"{place} is damaged: restore it from version control or make a new baseline",
            code="baseline-damaged",
        ) from error
    return value


def _migrated(value: dict[str, Any], place: str) -> dict[str, Any]:
    version = value["baseline_version"]
    if version > VERSION:
        raise BenchError(
            f"{place} has version {version}; this program reads up to {VERSION}: upgrade it",
            code="baseline-too-new",
        )
    while version < VERSION:
        if version not in MIGRATIONS:
            raise BenchError(
                f"{place} has version {version}, which cannot be read any more: make a new baseline",
                code="baseline-too-old",
            )
        value = MIGRATIONS[version](value)
        version += 1
    return value


# --------------------------------------------------------------------------------------------------
# Columns


def needed(metrics: Iterable[Metric]) -> list[str]:
    """The columns that the metrics are computed from."""
    names: dict[str, None] = {}
    for metric in metrics:
        names |= dict.fromkeys(("reference", "prediction") if metric.kind in LABELLED else metric.columns)
    return list(names)


def _encoded(record: Record, run: Run) -> dict[str, Any]:
    """By test set: the number of examples, the digest of their ids, and the needed columns."""
    table = run.predictions(record.cell.id)
    tests = {}
    for test in record.scores:
        rows = columns(table, test)
        tests[test] = {
            "examples": len(rows["id"]),
            "ids": id_digest(rows["id"]),
            "columns": {
                name: _packed(rows[name]) for name in [*needed(record.metrics), *_known(GROUP, rows)]
            },
        }
    return tests


def _known(names: Iterable[str], rows: Columns) -> list[str]:
    return [name for name in names if name in rows]


def id_digest(ids: Sequence[Any] | np.ndarray) -> str:
    """A short digest of the ids in order. A baseline holds the digest in place of the ids."""
    if len(ids) and str(ids[0]).startswith("sha256:"):
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


def _decoded(tests: dict[str, Any], where: str) -> dict[str, np.ndarray]:
    """All test sets as one prediction file; `id` is the digest of the test set's ids on every row."""
    parts: dict[str, list[np.ndarray]] = {}
    try:
        for test, content in tests.items():
            size = content["examples"]
            parts.setdefault("split", []).append(np.full(size, test, dtype=object))
            parts.setdefault("id", []).append(np.full(size, content["ids"], dtype=object))
            for name, packed in content["columns"].items():
                parts.setdefault(name, []).append(_unpacked(packed, size))
    except (KeyError, TypeError, ValueError, IndexError, zlib.error) as error:
        raise BenchError(
            f"{where}: the examples are damaged: restore the file or make a new baseline",
            code="baseline-damaged",
        ) from error
    return {name: np.concatenate(values) for name, values in parts.items()}


def _unpacked(packed: dict[str, Any], size: int) -> np.ndarray:
    values = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), dtype=packed["type"])
    if len(values) != size:
        raise ValueError("wrong number of examples")
    if "labels" not in packed:
        return values.astype(float)
    return np.array(packed["labels"], dtype=object)[values.astype(np.intp)]
