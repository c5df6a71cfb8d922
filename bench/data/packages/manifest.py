"""What a folder of the cache is to hold: sizes, times and digests of its files, in a `manifest.json` beside them.

A file is believed while its size and time are those that were noted, else its SHA-256 decides (git's rule: a copied
cache is verified, an untouched one costs nothing)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bench.data.cache import sha256_of

MANIFEST = "manifest.json"


def seal(folder: Path, files: Mapping[str, Path]) -> None:
    """Note what the files, by name, are now."""
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
    """The name of the first file that is not what was noted, or None if all are."""
    try:
        entries = json.loads((folder / MANIFEST).read_text())
        for name, path in files.items():
            entry = entries[name]
            found = path.stat()
            if found.st_size != entry["size"]:
                return name
            if found.st_mtime_ns != entry["mtime_ns"] and sha256_of(path) != entry["sha256"]:
                return name
    except (OSError, ValueError, KeyError, TypeError) as error:
        return error.args[0] if isinstance(error, KeyError) else MANIFEST
    return None


def noted(folder: Path) -> list[str]:
    """The names that the folder's manifest has."""
    try:
        return list(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError):
        return []
