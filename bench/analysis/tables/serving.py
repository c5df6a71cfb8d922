"""The columns of what a model costs to use (`recipe.serving = true` measures it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from bench.analysis.groups import Group
from bench.analysis.tables.model import Entry, Unit
from bench.runs.record import Record, Serving

TASKS = 10
"""Tasks that share a machine in the column `ten-tasks`."""
BYTES = 4
"""Of a value as it is stored, in fp32."""


def _measured(value: Callable[[Serving], float | None]) -> Callable[[Group], Entry]:
    def entry(group: Group) -> Entry:
        """The median over seeds."""
        found = [value(record.serving) for record in group.done if record.serving]
        known = [item for item in found if item is not None]
        return Entry(median(known)) if known else Entry()

    return entry


def _milliseconds(seconds: Callable[[Serving], float | None]) -> Callable[[Group], Entry]:
    return _measured(lambda found: None if (value := seconds(found)) is None else 1000 * value)


def _stored(value: Callable[[Record], int]) -> Callable[[Group], Entry]:
    def entry(group: Group) -> Entry:
        return Entry(float(BYTES * value(group.done[0]))) if group.done else Entry()

    return entry


def for_tasks(found: Serving, tasks: int) -> float:
    """Seconds of the answers of this many tasks to one text: tasks that share an encoder share its pass."""
    return found.plain.p50 + (tasks - 1) * (found.plain.p50 if found.head is None else found.head)


COLUMNS: Mapping[str, tuple[str, Unit, Callable[[Group], Entry]]] = {
    "p50": ("latency p50, ms", "milliseconds", _milliseconds(lambda found: found.plain.p50)),
    "p95": ("latency p95, ms", "milliseconds", _milliseconds(lambda found: found.plain.p95)),
    "rate": ("examples/s, batch 1", "count", _measured(lambda found: found.plain.single)),
    "best-rate": ("examples/s, best batch", "count", _measured(lambda found: found.plain.best)),
    "merged-p50": (
        "merged p50, ms",
        "milliseconds",
        _milliseconds(lambda found: found.merged.p50 if found.merged else None),
    ),
    "merged-rate": (
        "merged examples/s",
        "count",
        _measured(lambda found: found.merged.best if found.merged else None),
    ),
    "ten-tasks": (f"{TASKS} tasks, ms", "milliseconds", _milliseconds(lambda found: for_tasks(found, TASKS))),
    "adds": ("a task adds", "bytes", _stored(lambda record: record.trainable)),
    "size": ("size", "bytes", _stored(lambda record: record.parameters)),
}
"""By name: heading, unit, and the entry of a group."""

MEASURED = tuple(name for name in COLUMNS if name not in ("adds", "size"))
"""Those that `recipe.serving` measures; the others are counted."""
