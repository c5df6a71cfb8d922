"""Names that become paths. A record, a plan or a baseline may come from a stranger, so each name is checked where
it is read: suites, tasks and strategies are named as plug-ins are, and no name leads out of the run folder."""

from __future__ import annotations

import re

from bench.contracts import BenchError, Cell

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SIZED = re.compile(r"[A-Za-z0-9][\w.-]*(@\w+)?")
_BACKBONE = r"(?!\.{1,2}/)[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_CELL = re.compile(f"{_SIZED.pattern}/{_NAME.pattern}/{_BACKBONE}/seed[0-9]{{1,18}}")
LONGEST_FOLDER = 255
"""Bytes of a folder's name that every file system allows."""
LONGEST_FILE = 200
"""Bytes of a file's name, to which a suffix and a temporary name are added."""


def is_name(name: str) -> bool:
    """Whether this can name a suite, a task or a strategy."""
    return bool(_NAME.fullmatch(name)) and len(name.encode(errors="replace")) <= LONGEST_FILE


def is_cell_id(text: str) -> bool:
    """Whether the text is the id of a cell: task, strategy, backbone and seed, none of which leads elsewhere."""
    if not _CELL.fullmatch(text):
        return False
    return len(text) < 60 or all(len(part.encode()) <= LONGEST_FOLDER for part in text.split("/"))


def check_cell(cell: Cell, where: str) -> None:
    """BenchError naming `where` if the names of a cell that was read cannot be paths of its own run."""
    if not is_name(cell.suite):
        raise BenchError(
            f"{where} is refused: its suite is named {cell.suite[:80]!r}; "
            "use letters, digits, '-', '_' and '.'",
            code="unsafe-name",
        )
    if not is_cell_id(cell.id):
        raise BenchError(
            f"{where} is refused: its cell is named {cell.id[:80]!r}; that is no task/strategy/backbone/seed",
            code="unsafe-name",
        )
