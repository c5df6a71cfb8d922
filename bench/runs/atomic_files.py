"""Files that are whole or absent, whenever the process or the machine stops."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from bench.contracts import BenchError

ABANDONED = 3600.0
"""Seconds after which a temporary file whose writer is gone is taken for left behind."""

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")


def write(path: Path, content: bytes) -> None:
    """Write a temporary file beside `path`, then rename it. A reader sees the old file or the new, never a part.
    After the return the new file survives a power cut. It keeps the permissions of the old one; a first one has
    those that the user's umask allows. The writer holds an exclusive lock on the temporary file.
    BenchError where the disk is full, the folder cannot be written, or something else than a file is there."""
    _check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = _temporary(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
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
            "finished cells are kept",
            code="cannot-write",
        ) from error


def _check_replaceable(path: Path) -> None:
    """BenchError where a device, a FIFO or a folder is at `path`, or at the end of a link there: the rename would
    put a file in the place of /dev/null or /dev/stdout, where the user may do that."""
    try:
        mode = path.stat().st_mode
        folder = path.parent.resolve()
    except (OSError, ValueError):  # nothing there; what else is wrong is said by the writing
        return
    # /dev/stdout and /dev/fd/1 may lead to a file; /dev/shm is memory that holds files
    of_system = folder.parts[:2] in (("/", "dev"), ("/", "proc")) and folder.parts[:3] != ("/", "dev", "shm")
    if of_system or not stat.S_ISREG(mode):
        raise BenchError(
            f"{path} is a device, pipe or folder and is not overwritten: name a regular file",
            code="not-a-file",
        )


def _temporary(path: Path) -> tuple[int, str]:
    """A new file beside `path`, as an open descriptor and a name that `is_temporary` knows."""
    name = f"{path.parent}/.{path.name}.{secrets.token_hex(4)}"
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with suppress(OSError):  # no old file, or a file system without permissions
        old = path.lstat().st_mode
        if stat.S_ISREG(old):
            os.fchmod(descriptor, stat.S_IMODE(old) & 0o777)
    return descriptor, name


def is_temporary(path: Path) -> bool:
    """Whether the name is that of a temporary file of `write`."""
    return bool(_TEMPORARY.fullmatch(path.name))


def is_abandoned(path: Path) -> bool:
    """Whether `path` is a temporary file of `write`, older than ABANDONED seconds, whose writer is gone."""
    if not is_temporary(path):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if time.time() - os.fstat(descriptor).st_mtime < ABANDONED:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its writer holds the lock
        return False
    finally:
        os.close(descriptor)
    return True


def remove(path: Path) -> None:
    """Delete a file where there is one. BenchError where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BenchError(
            f"{path} cannot be replaced ({error.strerror}): correct the permissions", code="cannot-replace"
        ) from error


def _fsync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
