"""What two runs were made with, beside code and seeds: a change of scores may come from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.analysis.groups import Group
from bench.runs.record import Record

Condition = Callable[[Record], str]

CONDITIONS: dict[str, Condition] = {
    "precision": lambda record: record.machine.dtype if record.machine else "",
    "threads": lambda record: str(record.machine.threads) if record.machine else "",
    "device": lambda record: record.machine.device if record.machine else "",
    "processor": lambda record: record.machine.processor if record.machine else "",
    "encoder": lambda record: f"{record.parameters:,} parameters" if record.parameters else "",
    "attention": lambda record: record.attention,
    "adaptations": lambda record: ", ".join(record.adaptations),
}


def changed_conditions(pairs: Iterable[tuple[Group, Group]]) -> tuple[str, ...]:
    """A note that names the conditions that differ, with their values; none where they are the same."""
    compared = list(pairs)
    changes = []
    for name, condition in CONDITIONS.items():
        found = {
            (_values(old, condition), _values(new, condition))
            for old, new in compared
            if _values(old, condition) != _values(new, condition)
        }
        if found:
            then, now = min(found)
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            changes.append(f"{name} ({then or 'none'} then, {now or 'none'} now{more})")
    if not changes:
        return ()
    return (f"The runs differ in {'; '.join(changes)}: look there before blaming the code.",)


def _values(group: Group, condition: Condition) -> str:
    """Over the finished seeds, each value once."""
    return ", ".join(sorted({condition(record) for record in group.done} - {""}))
