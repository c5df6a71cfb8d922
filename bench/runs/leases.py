"""Leases: which process runs which cell of a run folder, so that several may work on one folder.

A lease is a file under `claims/` that its owner holds an exclusive `flock` on. The kernel drops the lock when the
owner ends, however it ends, so a dead owner never blocks a cell; over a network file system the server does
the same for a lost machine. The owner is written into the file (host, process id, start time, since when it has the
cell) for people and for `status`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from bench.contracts import BenchError
from bench.runs.plain_files import open_plain, opened

LONGEST = 4096
"""Bytes of a lease that are read."""

RECENT = 600.0
"""Seconds for which a lease of another host is believed though nobody holds its lock: some file systems show a lock
to its own host alone. The default time limit of a cell is never shorter."""


@dataclass(frozen=True)
class Owner:
    """A process. Its start time distinguishes it from a later one with the same id (seconds since 1970)."""

    host: str
    pid: int
    began: float
    job: str = ""
    """Names what one worker of the process runs: cells that train together have the same."""
    since: float = field(default=0.0, compare=False)
    """When it got the cell (seconds since 1970); 0 in a lease of an earlier version."""

    def is_this_process(self) -> bool:
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())

    def lives(self, descriptor: int) -> bool:
        """Whether it still runs. descriptor: of the lease; the lock on it tells of a process on another host."""
        if self.host != socket.gethostname():
            return _is_locked(descriptor) or abs(time.time() - self.since) < RECENT
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began) < 1
        except psutil.Error:
            return False


def this_process(job: str = "") -> Owner:
    return Owner(socket.gethostname(), os.getpid(), psutil.Process().create_time(), job, time.time())


class Lease:
    """A cell that this process holds until `release`, or until it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the cell back. The file goes first, so that whoever gets the lock next sees that it is stale."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def lease(path: Path, job: str = "") -> Lease | None:
    """The lease at `path`, or None where a living process holds it. BenchError where it cannot be written, or where
    something else than a plain file is there."""
    with lock_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if _is_file_at(path, descriptor):
                break
            os.close(descriptor)  # its owner released the lease between our open and our lock
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(this_process(job))).encode())
        except OSError:
            os.close(descriptor)
            raise
        return Lease(path, descriptor)


def owner_of(path: Path) -> Owner | None:
    """The living owner that the lease at `path` names, or None."""
    try:
        with opened(path, os.O_RDONLY) as descriptor:
            found = json.loads(os.read(descriptor, LONGEST))
            owner = Owner(
                host=str(found["host"]),
                pid=int(found["pid"]),
                began=float(found["began"]),
                job=str(found.get("job", "")),
                since=float(found.get("since", 0.0)),
            )
            return owner if owner.lives(descriptor) else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it in the `with` block: for short changes of a shared file."""
    with lock_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into one line that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BenchError(
            f"{path} cannot be locked ({reason}): make room or choose --out", code="cannot-lock"
        ) from error


def _is_file_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    own = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev)


def _is_locked(descriptor: int) -> bool:
    """Whether a process is seen to have the lock, on whatever host."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # the file system has no locks
        return False
    return False
