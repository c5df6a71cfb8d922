"""The names of development draws: in cells of a record and of the history, the tasks that have no test row."""

from __future__ import annotations

SUFFIX = ".development"
"""How the tasks of a development draw end."""


def drawn(task: str) -> str:
    """The development draw of a task, of the same size: `name.development`, `name.development@8shots`."""
    name, at, size = task.partition("@")
    return f"{name}{SUFFIX}{at}{size}"


def drawn_from(task: str) -> str:
    """The task that a development draw is of; any other task as it is."""
    name, at, size = task.partition("@")
    return f"{name.removesuffix(SUFFIX)}{at}{size}"
