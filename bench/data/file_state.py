"""Whether files changed, from what the file system says of them: a notebook outlives what it once read."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

State = tuple[tuple[str, int, int, int], ...]
"""Of each file its path, its size in bytes, and when its content and its entry changed, in nanoseconds."""

T = TypeVar("T")


def state(path: str | Path) -> State:
    """The state of a file, or of all files of a folder; () where nothing is there, or nothing can be looked at."""
    try:
        return tuple(sorted(_entries(str(path))))
    except (OSError, ValueError):  # a name that no file can have
        return ()


def while_unchanged(function: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what a function says of a name: where it is that of a file or a folder, until a file changes."""
    known = functools.lru_cache(maxsize=64)(lambda name, _: function(name))

    @functools.wraps(function)
    def asked(name: str) -> T:
        return known(name, state(name))

    return asked


def _entries(path: str) -> Iterator[tuple[str, int, int, int]]:
    if os.path.isdir(path):
        for folder, _, names in os.walk(path):
            for name in names:
                yield from _entry(os.path.join(folder, name))
    else:
        yield from _entry(path)


def _entry(path: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        found = os.stat(path)
    except FileNotFoundError:  # a link to nothing, or it has just gone
        return
    yield path, found.st_size, found.st_mtime_ns, found.st_ctime_ns
