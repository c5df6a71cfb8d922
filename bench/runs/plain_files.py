"""The files of a run folder, which may come from a stranger: plain files in plain folders, and nothing else.

A symbolic link would lead a read or a write out of the folder, a FIFO would block it, a device never ends. Each
of them is refused by name. The run folder itself may be a link: it is what the user named.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contracts import BenchError

WITHOUT_DETOURS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags of `open` that neither follow a link nor wait for the other end of a FIFO."""

BLOCK = 2**18
DEPTH = 4
"""Parts of the path of a cell's file: task, strategy, backbone and seed."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFREG: "a file",
}


class Irregular(BenchError):
    """Something in a run folder that is neither a plain file nor a plain folder, or one in place of the other."""

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self.reason = f"it is {_KINDS.get(stat.S_IFMT(mode), 'no plain file')}"
        super().__init__(
            f"{path} is refused ({self.reason}): a run folder holds plain files in plain folders",
            code="irregular-file",
        )


def inside(root: Path, path: Path) -> Path:
    """`path`, which lies below `root`. Raises Irregular where a folder between the two is anything else."""
    folder = os.fspath(root)  # text, since this runs for each of thousands of files
    within = os.fspath(path)[len(folder) :].strip("/") if folder != "." else os.fspath(path)
    for name in within.split("/")[:-1]:
        folder = f"{folder}/{name}"
        try:
            mode = os.lstat(folder).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return path
        if not stat.S_ISDIR(mode):
            raise Irregular(Path(folder), mode)
    return path


def read(root: Path, path: Path) -> bytes:
    """The content of the file at `path` below `root`. Raises Irregular, and OSError."""
    return read_in_plain_folder(inside(root, path))


def read_in_plain_folder(path: Path) -> bytes:
    """As `read`, for a file that `inside` or `scan` found to lie in plain folders."""
    descriptor = open_plain(path, os.O_RDONLY)
    try:
        blocks = []
        while block := os.read(descriptor, BLOCK):
            blocks.append(block)
            if len(block) < BLOCK:  # of a plain file: its end
                break
    finally:
        os.close(descriptor)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def exists(root: Path, path: Path) -> bool:
    """Whether a file is at `path` below `root`. Raises Irregular where it is anything but a file."""
    try:
        mode = os.lstat(inside(root, path)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode):
        raise Irregular(path, mode)
    return True


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of the plain file at `path`, closed at the end. Raises Irregular, and OSError."""
    descriptor = open_plain(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_plain(path: Path, flags: int) -> int:
    """As `os.open`, for a plain file or, with O_CREAT, a new one. Raises Irregular, and OSError."""
    try:
        descriptor = os.open(path, flags | WITHOUT_DETOURS, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):  # a link, a FIFO nobody reads, a folder
            raise Irregular(path, os.lstat(path).st_mode) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise Irregular(path, mode)
    return descriptor


def scan(folder: Path) -> tuple[list[Path], list[Irregular]]:
    """The plain files below a folder, sorted, and everything else that is not a plain folder in its place.
    Links are not followed."""
    files: list[str] = []
    irregular: list[Irregular] = []
    try:
        mode = os.lstat(folder).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return [], irregular
    if not stat.S_ISDIR(mode):
        return [], [Irregular(folder, mode)]
    waiting = [(os.fspath(folder), 1)]
    while waiting:
        path, depth = waiting.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if depth < DEPTH and entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    files.append(entry.path)
                else:
                    irregular.append(Irregular(Path(entry.path), entry.stat(follow_symlinks=False).st_mode))
    return [Path(path) for path in sorted(files)], sorted(irregular, key=lambda found: found.path)
