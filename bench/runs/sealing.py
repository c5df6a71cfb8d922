"""The stored form of a record: with a checksum of itself and of its prediction file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.runs.names import check_cell
from bench.runs.record import SCHEMA_VERSION, Record, record_of

CHECKSUM = "checksum"
"""In a stored record: `record`, a SHA-256 of everything else, and `predictions`, the SHA-256 of that file."""


class Damaged(BenchError):
    """A file of a run folder that is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path} is damaged ({reason}): quarantine it with `python -m bench status RUN --check --repair`; "
            "the next run of the suite makes it again",
            code="damaged",
        )


class _Stored(Record):
    """A record with its checksum."""

    checksum: Any = None


def sealed(record: Record, predictions: str) -> bytes:
    """The content of a record's file. predictions: the SHA-256 of its prediction file, '' where it has none."""
    value = json.loads(record.to_json())
    sums = {"record": _digest([value, predictions]), "predictions": predictions}
    return json.dumps({**value, CHECKSUM: sums}, indent=1, ensure_ascii=False).encode()


def opened(content: bytes, path: Path) -> tuple[Record, str]:
    """The record that a file holds, and the SHA-256 of its predictions ('' where it has none). Raises Damaged, and
    BenchError where another version of this program wrote it."""
    try:
        value = json.loads(content.decode())
        sums = value.pop(CHECKSUM, None)
        version = value["schema_version"]
        predictions = str(sums["predictions"]) if sums else ""
        sound = bool(sums) and sums["record"] == _digest([value, predictions])
    except UnicodeDecodeError as error:
        raise Damaged(path, "not text") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(path, "not the JSON that was written") from error
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return record_of(value, str(path)), predictions
    if not sums:
        raise Damaged(path, "it has no checksum")
    if not sound:
        raise Damaged(path, "its checksum is not that of its content")
    return _recorded(value, path), predictions


def unverified(content: bytes, path: Path) -> tuple[Record, str] | None:
    """As `opened` without verifying the checksum, which is several times as fast; None where the record is not of
    this version."""
    try:
        found = _Stored.model_validate_json(content)
        check_cell(found.cell, str(path))
    except ValueError:
        return None
    if found.schema_version != SCHEMA_VERSION or not isinstance(found.checksum, dict):
        return None
    return found, str(found.checksum.get("predictions", ""))


def predictions_sum(content: bytes) -> str:
    """The SHA-256 of a cell's predictions from its record; nothing else is checked. "" where it has none."""
    try:
        return str(json.loads(content)[CHECKSUM]["predictions"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _recorded(value: dict[str, Any], path: Path) -> Record:
    """The record in `value`, whose checksum says that it is what was written. BenchError where it cannot be used:
    it comes from another version of this program or was forged."""
    try:
        return record_of(value, str(path))
    except BenchError as error:
        if error.code == "unsafe-name":
            raise
        reason = str(error.__cause__ or error).splitlines()[0]
        raise BenchError(
            f"{path} was written by another version of this program ({reason}): use that version, or run into "
            "another folder with --out",
            code="other-version",
        ) from error


def _digest(value: Any) -> str:
    """The SHA-256 of a JSON value, whatever its layout in the file."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
