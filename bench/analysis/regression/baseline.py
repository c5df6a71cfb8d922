"""Baselines, which later runs are compared with: results/baselines/SUITE.jsonl, one compact record per line.

A line holds a record with its learning curve, and the columns that its metrics need, compressed: numbers in the
smallest type that holds them exactly (fractions as float32), labels as codes, then zlib and base64. Of every other
column, such as the text of an answer, it holds a digest, which tells whether two runs predict the same; of the ids
too, which tells whether they used the same rows. Lines are sorted by cell, so a new baseline is a small diff in
version control.

A baseline may come with a stranger's pull request: what it unpacks to is bounded before anything is unpacked.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bench.analysis.loading import Columns, LeftOut, Run
from bench.analysis.regression.packing import decoded, encoded, left_out
from bench.contracts import BenchError
from bench.runs.names import is_name
from bench.runs.record import Record, record_of
from bench.runs.terms import check_terms, suite_of

VERSION = 1
REVISION = re.compile(r"[^-\s:\x00-\x1f][^\s:\x00-\x1f]{0,199}")
"""A git revision; a colon would end it."""
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From one version of a line to the next; a version that is not listed can no longer be read."""
LARGEST = 256 * 2**20
"""Bytes of a baseline that is read."""
FOLDER = Path("results/baselines")


def dump(*runs: Run) -> str:
    """Runs, parts of one, as a baseline; unfinished cells are kept without examples. Of a cell in several the last
    record is kept, but a finished one before one that did not finish.

    BenchError where cells are of several suites, or the parts ran with different recipes, rows or weights."""
    chosen: dict[str, tuple[Record, Run]] = {}
    for run in runs:
        for record in run.records:
            before = chosen.get(record.cell.id)
            if before is None or record.status == "done" or before[0].status != "done":
                chosen[record.cell.id] = record, run
    suite_of((record for record, _ in chosen.values()), ", ".join(run.name for run in runs))
    if len(runs) > 1:
        check_terms((record, run.name) for record, run in chosen.values())
    return "".join(_line(*chosen[cell]) + "\n" for cell in sorted(chosen))


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
        return decoded(examples[cell], f"{where}, cell {cell}")

    def digests(cell: str) -> LeftOut:
        return left_out(examples[cell], f"{where}, cell {cell}")

    return Run(where, records, predictions, left_out=digests)


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
    examples = encoded(record, run) if record.status == "done" else {}
    content = {"baseline_version": VERSION, "record": value, "examples": examples}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _parsed(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if not isinstance(value["baseline_version"], int) or not isinstance(value["examples"], dict):
            raise TypeError("not a baseline line")
        value["record"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if '"history_version"' in line:
            raise BenchError(
                f"{place} is of a history, which has no scores of examples: `python -m bench history` shows it",
                code="not-a-baseline",
            ) from error
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
