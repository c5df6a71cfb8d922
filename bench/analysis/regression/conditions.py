"""What two runs were made with, beside code and seeds: a change of scores may come from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from bench.analysis.groups import Group, Key
from bench.analysis.regression.matching import THEN_NOW, Words
from bench.analysis.regression.quality import Change, Matched
from bench.runs.provenance import VERSIONS
from bench.runs.record import Record
from bench.text import counted, first_of

Condition = Callable[[Record], str]


def _version(name: str, record: Record) -> str:
    return record.machine.versions.get(name, "") if record.machine else ""


NAMED: dict[str, Condition] = {
    **{name: partial(_version, name) for name in VERSIONS},
    "weights of the encoder": lambda record: record.weights,
    "attention": lambda record: record.attention,
}
"""Where a record does not name its own, nothing is known. Word vectors have no attention, but earlier versions
recorded what their group had chosen."""

CONDITIONS: dict[str, Condition] = {
    "system": lambda record: record.machine.system if record.machine else "",
    "precision": lambda record: record.machine.dtype if record.machine else "",
    "threads": lambda record: str(record.machine.threads) if record.machine else "",
    "device": lambda record: record.machine.device if record.machine else "",
    "processor": lambda record: record.machine.processor if record.machine else "",
    "encoder": lambda record: f"{record.parameters:,} parameters" if record.parameters else "",
    "adaptations": lambda record: ", ".join(record.adaptations),
}


def changed_conditions(pairs: Iterable[tuple[Group, Group]]) -> tuple[str, ...]:
    """A note that names the conditions that differ, with their values; none where they are the same."""
    changes = differing_conditions(list(pairs))
    if not changes:
        return ()
    return (f"The runs differ in {'; '.join(changes)}: look there before blaming the code.",)


def differing_conditions(pairs: Sequence[tuple[Group, Group]], words: Words = THEN_NOW) -> list[str]:
    """The conditions that differ, with their values on both sides; those of NAMED first."""
    found = {
        name: [values for values in _differing(pairs, condition) if all(values)]
        for name, condition in NAMED.items()
    }
    found |= {name: _differing(pairs, condition) for name, condition in CONDITIONS.items()}
    shown = {
        name: [f"{old or 'none'} {words[0]}, {new or 'none'} {words[1]}" for old, new in values]
        for name, values in found.items()
    }
    return [f"{name} ({first_of(values, 1)})" for name, values in shown.items() if values]


def known_to_differ(one: Group, other: Group, names: Sequence[str]) -> list[str]:
    """Those of the named conditions of which both groups have a value, and not the same."""
    every = {**NAMED, **CONDITIONS}
    values = {name: (_values(one, every[name]), _values(other, every[name])) for name in names}
    return [name for name, (first, second) in values.items() if first and second and first != second]


def _differing(pairs: Iterable[tuple[Group, Group]], condition: Condition) -> list[tuple[str, str]]:
    """The different pairs of values, in order."""
    both = {(_values(old, condition), _values(new, condition)) for old, new in pairs}
    return sorted((first, second) for first, second in both if first != second)


def repeatable(
    cells: Iterable[Change],
    samples: Mapping[Key, Matched],
    pairs: Mapping[Key, tuple[Group, Group]],
) -> list[Change]:
    """The cells that have the same seeds in both runs, which both hold their predictions: under the same conditions
    the same code repeats them. Those that are repeated under others are among them."""
    seen = [item for item in cells if samples[item.key].same_seeds and not item.unseen]
    return [item for item in seen if item.identical or not differing_conditions([pairs[item.key]])]


def not_asked(count: int, compared: int) -> tuple[str, ...]:
    """A note on the cells that gate `changed` says nothing of."""
    if not count:
        return ()
    return (
        f"Gate 'changed' could not be asked of {count} of {compared} cells: it needs the same seeds and conditions "
        "in both runs, and the predictions of both, which a baseline of an earlier version may not hold.",
    )


def changed_predictions(same: Sequence[Change]) -> tuple[str, ...]:
    """A note on the cells whose predictions differ although seeds and conditions do not. same: those, and the ones
    that are repeated."""
    count = sum(not item.identical for item in same)
    if not count:
        return ()
    return (
        f"Predictions differ in {count} of {counted(len(same), 'cell')} with the same seeds, and no condition does "
        "there: the code computes something else, or is not deterministic, whether or not a score fell (--fail-on "
        "changed).",
    )


def _values(group: Group, condition: Condition) -> str:
    """Over the finished seeds, each value once."""
    return ", ".join(sorted({condition(record) for record in group.done} - {""}))
