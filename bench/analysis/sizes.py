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
    """The groups without the smaller sizes of tasks that ran at several sizes. A size beyond the rows of a task is
    the whole of them, as another such size is: of equal ones the one with the most finished groups stays, so that
    no task counts twice."""
    found: dict[str, dict[str, list[int]]] = {}  # training examples of the groups, by task and by its size
    for key, group in groups.items():
        if group.done:
            rows = max(map(train_rows, group.done))
            found.setdefault(task_name(key.task), {}).setdefault(key.task, []).append(rows)
    kept = {max(own, key=lambda size: (max(own[size]), len(own[size]))) for own in found.values()}
    return {
        key: group
        for key, group in groups.items()
        if key.task in kept or ("@" not in key.task and key.task not in found)
    }
