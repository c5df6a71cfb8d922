"""Files that are whole or absent, whenever the process or the machine stops."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.contracts import BenchError


def write(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: a reader sees the old file or the new one, never a part, and after a
    return the new one survives a power cut. BenchError where the disk is full or the folder not writable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
        _fsync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BenchError(
            f"{path} cannot be written ({reason}): make room, correct the permissions or choose --out; "
            "what was finished stays"
        ) from error


def remove(path: Path) -> None:
    """Delete a file where there is one. BenchError where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BenchError(f"{path} cannot be replaced ({error.strerror}): correct the permissions") from error


def _fsync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
