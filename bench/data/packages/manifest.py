"""The manifest of a cache folder: sizes, times and digests of its files, in a `manifest.json` beside them.

A process verifies the SHA-256 of each file once, before its first use: a disk may flip a bit and leave size and
time as they were. After that, size and time decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.data.cache import sha256_of

MANIFEST = "manifest.json"

_VERIFIED: set[tuple[str, int, int, int, str]] = set()
"""Files whose digest this process has verified: path, inode, size, time and SHA-256."""


def seal(folder: Path, files: Mapping[str, Path]) -> None:
    """Record the current state of the files, by name."""
    entries = {}
    for name, path in files.items():
        found = path.stat()
        entries[name] = {
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "sha256": sha256_of(path),
        }
    (folder / MANIFEST).write_text(json.dumps(entries, indent=1))


def unsound(folder: Path, files: Mapping[str, Path]) -> str | None:
    """The name of the first file that differs from the manifest, or None if all are sound."""
    return _first_wrong(folder, files, _is_sound)


def missing(folder: Path, files: Mapping[str, Path]) -> str | None:
    """The name of the first file that is absent or of another size, or None. Reads no file, so it is quick."""
    return _first_wrong(folder, files, lambda path, entry: path.stat().st_size == entry["size"])


def _first_wrong(
    folder: Path, files: Mapping[str, Path], good: Callable[[Path, dict[str, Any]], bool]
) -> str | None:
    try:
        entries = json.loads((folder / MANIFEST).read_text())
        for name, path in files.items():
            if not good(path, entries[name]):
                return name
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return error.args[0] if isinstance(error, KeyError) else MANIFEST
    return None


def _is_sound(path: Path, entry: dict[str, Any]) -> bool:
    found = path.stat()
    if found.st_size != entry["size"]:
        return False
    key = str(path), found.st_ino, found.st_size, found.st_mtime_ns, str(entry["sha256"])
    if key not in _VERIFIED and sha256_of(path) == entry["sha256"]:
        _VERIFIED.add(key)
    return key in _VERIFIED


def noted(folder: Path) -> list[str]:
    """The names that the folder's manifest has."""
    try:
        return list(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return []
