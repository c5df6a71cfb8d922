"""What two runs were made with, beside code and seeds: a change of scores may come from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.analysis.groups import Group, Key
from bench.analysis.regression.quality import Change, Matched
from bench.runs.record import Record
from bench.text import counted

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
        both = {(_values(old, condition), _values(new, condition)) for old, new in compared}
        found = {(then, now) for then, now in both if then != now}
        if found:
            then, now = min(found)
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            changes.append(f"{name} ({then or 'none'} then, {now or 'none'} now{more})")
    if not changes:
        return ()
    return (f"The runs differ in {'; '.join(changes)}: look there before blaming the code.",)


def with_equal_seeds(cells: Iterable[Change], samples: Mapping[Key, Matched]) -> list[Change]:
    """The cells that have the same seeds in both runs: under the same conditions the same code repeats their
    predictions."""
    return [item for item in cells if samples[item.key].same_seeds]


def not_asked(count: int, compared: int) -> tuple[str, ...]:
    """A note on the cells that gate `changed` says nothing of."""
    if not count:
        return ()
    return (
        f"Gate 'changed' could not be asked of {count} of {compared} cells: it needs the same seeds and conditions "
        "in both runs.",
    )


def changed_predictions(same: Sequence[Change]) -> tuple[str, ...]:
    """A note on the cells whose predictions differ although seeds and conditions do not."""
    count = sum(not item.identical for item in same)
    if not count:
        return ()
    return (
        f"Predictions differ in {count} of {counted(len(same), 'cell')} with the same seeds on the same kind of "
        "machine: the code computes something else, or is not deterministic there, whether or not a score fell "
        "(--fail-on changed).",
    )


def _values(group: Group, condition: Condition) -> str:
    """Over the finished seeds, each value once."""
    return ", ".join(sorted({condition(record) for record in group.done} - {""}))
