"""Tasks that ran with several numbers of training examples: `name@size`."""

from __future__ import annotations

from collections.abc import Mapping

from bench.analysis.groups import Group, Key
from bench.runs.record import Record


def task_name(task: str) -> str:
    """The task without its size."""
    return task.partition("@")[0]


def train_rows(record: Record) -> int:
    """The training examples of a record; 0 where they are not known."""
    return record.data.sizes.get("train", 0) if record.data else 0


def largest(groups: Mapping[Key, Group]) -> dict[Key, Group]:
    """The groups without the smaller sizes of tasks that ran at several sizes."""
    sizes: dict[str, int] = {}
    for key, group in groups.items():
        task = task_name(key.task)
        sizes[task] = max([sizes.get(task, 0), *(train_rows(record) for record in group.done)])
    return {
        key: group
        for key, group in groups.items()
        if "@" not in key.task or {train_rows(r) for r in group.done} == {sizes[task_name(key.task)]}
    }
