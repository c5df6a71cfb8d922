"""Baselines, which later runs are compared with: results/baselines/SUITE.jsonl, one compact record per line.

A line holds a record with its learning curve, and the columns that its metrics need, compressed: numbers in the
smallest type that holds them exactly (fractions as float32), labels as codes, then zlib and base64. Texts that no
metric reads are left out. Ids are kept as a digest, which is enough to see whether two runs used the same rows.
Lines are sorted by cell, so a new baseline is a small diff in version control.

A baseline may come with a stranger's pull request: what it unpacks to is bounded before anything is unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.analysis.loading import Columns, Run, columns
from bench.contracts import BenchError, Metric
from bench.runs.names import is_name
from bench.runs.record import Record, record_of

VERSION = 1
REVISION = re.compile(r"[^-\s:\x00-\x1f][^\s:\x00-\x1f]{0,199}")
"""A git revision; a colon would end it."""
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From one version of a line to the next; a version that is not listed can no longer be read."""
LABELLED = ("macro_f1", "class_f1", "macro_recall", "class_precision", "class_recall", "sets_f1", "mcc")
GROUP = ("group",)  # kept where a prediction file has it: examples are resampled by it
LARGEST = 256 * 2**20
"""Bytes of a baseline that is read."""
MOST_VALUES = 20_000_000
"""Values that the columns of a cell may have together."""
TYPES = ("|u1", "<u2", "<u4", "<u8", "<f4")
"""What numbers are packed as."""
FOLDER = Path("results/baselines")


def dump(run: Run) -> str:
    """The run as a baseline; unfinished cells are kept without examples."""
    lines = [_line(record, run) for record in sorted(run.records, key=lambda record: record.cell.id)]
    return "".join(line + "\n" for line in lines)


def load(text: str, where: str) -> Run:
    """The baseline in `text`, usable as a run; BenchError naming `where` and the line that cannot be read."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise BenchError(f"{where} is empty: make a baseline with `make baseline`", code="empty-baseline")
    records, examples = [], {}
    for number, line in lines:
        place = f"{where}, line {number}"
        value = _migrated(_parsed(line, place), place)
        record = record_of(value["record"], place)
        if record.cell.suite != (records[0] if records else record).cell.suite:
            raise BenchError(
                f"{place} is of another suite than the first line: make it anew", code="other-suite"
            )
        if record.cell.id in examples:  # as a merge in version control leaves it
            raise BenchError(
                f"{place} is a second record of {record.cell.id}: keep one, or make the baseline anew",
                code="duplicate-record",
            )
        records.append(record)
        examples[record.cell.id] = value["examples"]

    def predictions(cell: str) -> Columns:
        if not examples[cell]:
            raise KeyError(cell)
        return _decoded(examples[cell], f"{where}, cell {cell}")

    return Run(where, records, predictions)


def read(path: Path) -> Run:
    """The baseline at a path; BenchError where there is none."""
    name = str(path)[:300]
    try:
        if path.exists() and not path.is_file():
            raise BenchError(f"{name} is no file: name a baseline or a run folder", code="no-baseline")
        with path.open("rb") as file:
            return load(_bounded(file, name).decode(), name)
    except FileNotFoundError as error:
        raise BenchError(
            f"{name} does not exist: make a baseline with `make baseline`", code="no-baseline"
        ) from error
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{name} is damaged (not text): restore it from version control", code="damaged-baseline"
        ) from error
    except OSError as error:
        raise BenchError(f"{name} cannot be read: {error.strerror}", code="cannot-read") from error


def _bounded(file: IO[bytes], where: str) -> bytes:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BenchError(
            f"{where} is refused: a baseline has at most {LARGEST >> 20} MB", code="too-large-baseline"
        )
    return content


def read_revision(revision: str, suite: str) -> Run:
    """The baseline of a suite as it was committed at a git revision; BenchError where git has none. Nothing that
    looks like an option reaches git."""
    check_suite(suite)
    path = FOLDER / f"{suite}.jsonl"
    refusal = BenchError(
        f"git has no {path} at '{revision[:200]}': name a run, a baseline file or another revision",
        code="no-revision",
    )
    if not REVISION.fullmatch(revision):
        raise refusal
    command = ["git", "show", "--end-of-options", f"{revision}:./{path.as_posix()}"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as shown:
            assert shown.stdout is not None
            content = shown.stdout.read(LARGEST + 1)
            shown.kill()
        if len(content) > LARGEST:
            content = _bounded(io.BytesIO(content), f"{revision}:{path}")
        if not content:
            raise refusal
        return load(content.decode(), f"{revision}:{path}")
    except FileNotFoundError as error:
        raise BenchError(
            f"{revision} is no run, and git, which could have a baseline of that name, is not installed",
            code="no-git",
        ) from error
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{path} at '{revision}' is damaged (not text): name another revision", code="damaged-baseline"
        ) from error


def check_suite(name: str) -> None:
    """BenchError where a name cannot be that of a suite's baseline."""
    if not is_name(name):
        raise BenchError(
            f"{name[:80]!r} is no name of a suite: use letters, digits, '-', '_' and '.'", code="unsafe-name"
        )


def _line(record: Record, run: Run) -> str:
    value = json.loads(record.model_dump_json())
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
            code="damaged-baseline",
        ) from error
    return value


def _migrated(value: dict[str, Any], place: str) -> dict[str, Any]:
    version = value["baseline_version"]
    if version > VERSION:
        raise BenchError(
            f"{place} has version {version}; this program reads up to {VERSION}: upgrade it",
            code="newer-baseline",
        )
    while version < VERSION:
        if version not in MIGRATIONS:
            raise BenchError(
                f"{place} has version {version}, which cannot be read any more: make a new baseline",
                code="older-baseline",
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
        _check_sizes(tests)
        for test, content in tests.items():
            size = content["examples"]
            parts.setdefault("split", []).append(np.full(size, test, dtype=object))
            parts.setdefault("id", []).append(np.full(size, content["ids"], dtype=object))
            for name, packed in content["columns"].items():
                parts.setdefault(name, []).append(_unpacked(packed, size))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, zlib.error) as error:
        raise BenchError(
            f"{where}: the examples are damaged: restore the file or make a new baseline",
            code="damaged-baseline",
        ) from error
    return {name: np.concatenate(values) for name, values in parts.items()}


def _check_sizes(tests: dict[str, Any]) -> None:
    """ValueError where the columns would have more than MOST_VALUES values, or sizes are no sizes."""
    total = 0
    for content in tests.values():
        size = content["examples"]
        if type(size) is not int or not 0 <= size <= MOST_VALUES:
            raise ValueError("no number of examples")
        total += size * (2 + len(content["columns"]))
    if total > MOST_VALUES:
        raise ValueError("too many values")


def _unpacked(packed: dict[str, Any], size: int) -> np.ndarray:
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
