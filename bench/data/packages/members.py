"""Files read out of packages, kept in the cache, and verified by each process before it uses them.

<cache>/members/<first 16 digits of the archive's SHA-256>/<path of the member>, and manifest.json
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.data.cache import cache_errors, locked, notice, work_folder
from bench.data.packages.archives import extract, member_path
from bench.data.packages.manifest import missing, noted, seal, unsound
from bench.data.packages.registries import Package, archive_of

LARGE = 10_000_000  # bytes of an archive that takes seconds to read


def cached_members(package: Package, names: Sequence[str], cache: Path) -> dict[str, Path]:
    """Local paths of the named members, by name; the package is downloaded where one is missing or damaged.

    BenchError as in registry.archive_of and archives.extract.
    """
    key = package.sha256[:16]
    folder = cache / "members" / key
    if _unsound(folder, names) is None:
        return _paths(folder, names)
    with locked(cache, f"members-{key}"):
        damaged = _unsound(folder, names)
        if damaged is None:
            return _paths(folder, names)
        if folder.is_dir():
            notice(f"the cached copy of {package.label} is damaged ({damaged}): reading it again")
        with cache_errors(cache):
            _install(package, names, folder, cache)
    return _paths(folder, names)


def are_cached(package: Package, names: Sequence[str], cache: Path) -> bool:
    """Whether `cached_members` would find these without a download."""
    folder = cache / "members" / package.sha256[:16]
    return missing(folder, _paths(folder, names)) is None


def _paths(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    return {name: folder / member_path(name) for name in names}


def _unsound(folder: Path, names: Sequence[str]) -> str | None:
    """The first damaged member, or None if all are sound."""
    return unsound(folder, _paths(folder, names))


def _install(package: Package, names: Sequence[str], folder: Path, cache: Path) -> None:
    """Extract into a temporary folder and rename it into place."""
    wanted = list(dict.fromkeys([*package.members, *names, *noted(folder)]))  # extracted for other tasks, too
    with work_folder(cache) as work, archive_of(package, cache) as archive:
        fresh = work / "members"
        fresh.mkdir()
        if package.size > LARGE:
            notice(f"reading {len(wanted)} files out of {package.label} ...")
        seal(fresh, extract(archive, wanted, fresh))
        if folder.exists():
            shutil.move(folder, work / "old")
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, folder)
