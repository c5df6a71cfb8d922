"""Leases: which process runs which cell of a run folder, so that several may work on one folder.

A lease is a file under `claims/` that its owner holds an exclusive `flock` on. The kernel drops the lock when the
owner ends, however it ends, so a dead owner never blocks a cell; over a network file system the server does
the same for a lost machine. The owner is written into the file (host, process id, start time) for people and
for `status`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.contracts import BenchError


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same id by its start time (seconds since 1970)."""

    host: str
    pid: int
    began: float

    def alive(self) -> bool:
        """Whether it still runs; of another host nothing is known here, and it counts as alive."""
        if self.host != socket.gethostname():
            return True
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began) < 1
        except psutil.Error:
            return False


def this_process() -> Owner:
    return Owner(socket.gethostname(), os.getpid(), psutil.Process().create_time())


class Lease:
    """A cell that this process holds until `release`, or until it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the cell back. The file goes first, so that whoever gets the lock next sees that it is stale."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def lease(path: Path) -> Lease | None:
    """The lease at `path`, or None where a living process holds it. BenchError where it cannot be written."""
    with lock_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if _is_file_at(path, descriptor):
                break
            os.close(descriptor)  # its owner released it between our open and our lock
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(this_process())).encode())
        except OSError:
            os.close(descriptor)
            raise
        return Lease(path, descriptor)


def owner_of(path: Path) -> Owner | None:
    """The living owner that the lease at `path` names; None where there is none."""
    try:
        owner = Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return owner if owner.alive() else None


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Waits for the lock at `path` and holds it in the `with` block: for short changes of a shared file."""
    with lock_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_errors(path: Path) -> Iterator[None]:
    """An OSError as one line that names the file and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BenchError(f"{path} cannot be locked ({reason}): make room or choose --out") from error


def _is_file_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    own = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev)
