"""The cache folder: its place, locks and atomic writes, and notices to the user."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import platformdirs
from filelock import FileLock

from bench.contracts import BenchError

CACHE_VARIABLE = "TRANSFERBENCH_CACHE"
ABANDONED = 24 * 3600  # seconds


def default_cache() -> Path:
    """The user's cache folder for this project; the environment variable TRANSFERBENCH_CACHE moves it."""
    moved = os.environ.get(CACHE_VARIABLE)
    if not moved:
        return Path(platformdirs.user_cache_dir("transferbench"))
    try:
        return Path(moved).expanduser()
    except RuntimeError as error:
        raise BenchError(
            f"{CACHE_VARIABLE} is {moved[:200]}: there is no such user; give a folder", code="wrong-cache"
        ) from error


def _on_stderr(text: str) -> None:
    """So that stdout stays what a program can read."""
    print(text, file=sys.stderr, flush=True)


_LISTENER: ContextVar[Callable[[str], None]] = ContextVar("listener", default=_on_stderr)


def notice(text: str) -> None:
    """One line for the user: on stderr, or to the listener of `notices_to`."""
    _LISTENER.get()(text)


@contextmanager
def notices_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Notices go to the listener in the `with` block: a worker process has no screen."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def cache_errors(cache: Path) -> Iterator[None]:
    """Turn an OSError (disk full, no permission) into one line that names the cache and the remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BenchError(
            f"cannot use the cache folder {cache} ({reason}): free space there or correct its permissions, "
            f"or set {CACHE_VARIABLE} to another folder",
            code="cannot-use-cache",
        ) from error


@contextmanager
def locked(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock `name`, so that one of several processes builds and the others wait for the result.

    BenchError where the cache folder cannot be written."""
    lock = FileLock(cache / "locks" / f"{name}.lock")
    with cache_errors(cache):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def work_folder(cache: Path) -> Iterator[Path]:
    """A temporary folder on the cache's own disk, so that what is built there moves in by a rename.

    Leftovers of killed processes are deleted after a day."""
    folder = cache / "work"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > ABANDONED:
                shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as name:
        yield Path(name)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(size: int) -> str:
    """A size in bytes for people: `84 MB`, `2.4 MB`."""
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"
