"""Rows and groups that are in two of the user's files: refused, or left out of the file that is not held out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.data.splits import content
from bench.text import counted
from bench.user_data.contexts import composed

if TYPE_CHECKING:
    from bench.user_data.description import UserData

UNTITLED = re.compile(r"article \d+")
"""The group of an article without a title: each file counts its own."""

TRAINING = {"train": "training", "validation": "validation"}
WAY_OUT = "scores would be too good; remove them, or give --drop-duplicates to leave them out of"

NUMBERED = "; if equal numbers are different groups, prefix them with the file's name"


def without_leaks(rows: Mapping[str, list[Any]], data: UserData, notes: list[str]) -> dict[str, list[Any]]:
    """The rows of each split without those that a held-out file has, too, or whose group it has, where leaving them
    out was asked for. notes: what was done is added. BenchError where there are some and it was not."""
    found = dict(rows)
    named = bool(dict(data.columns).get("group"))
    found = _apart(found, notes) if named else found
    for split in ("validation", "test"):
        if split not in found:
            continue
        found["train"] = _without(("train", found["train"]), (split, found[split]), TEXT, data, notes)
        if named:
            found["train"] = _without(("train", found["train"]), (split, found[split]), GROUP, data, notes)
        notes += _common(found["train"], (split, found[split]))
        if not named:
            groups = {row.group for row in found["train"] if row.group}
            found[split] = _told_apart(split, found[split], groups)
    if "validation" in found and "test" in found:
        found["validation"] = _of_validation(found["validation"], found["test"], data, notes)
    empty = next((split for split, left in found.items() if not left), None)
    if empty:
        raise BenchError(
            f"leak: no {TRAINING.get(empty, empty)} row is left without those whose text or group another file "
            "has: give rows of its own",
            code="leak",
        )
    return found


def _apart(rows: Mapping[str, list[Any]], notes: list[str]) -> dict[str, list[Any]]:
    """The rows; groups of a held-out file that count from 0 or 1, as those of the training file do up to another
    number, are other groups: they get the file's name."""
    train = _counting(rows["train"])
    anew = [split for split in rows if split != "train" and _counting(rows[split]) not in (0, train)]
    if not train or not anew:
        return dict(rows)
    notes.append(
        "look: groups are numbered anew in each file: they are read as different groups; if they are the same, "
        "give them names"
    )
    return {
        split: _told_apart(split, found, {row.group for row in found if row.group})
        if split in anew
        else found
        for split, found in rows.items()
    }


def _counting(rows: Sequence[Any]) -> int:
    """The number of groups, where they are numbers that count from 0 or 1 row by row; else 0."""
    groups = list(dict.fromkeys(row.group for row in rows if row.group))
    changes = sum(a.group != b.group for a, b in itertools.pairwise(row for row in rows if row.group))
    counts = any(groups == [str(start + n) for n in range(len(groups))] for start in (0, 1))
    return len(groups) if counts and changes == len(groups) - 1 else 0


Part = tuple[str, Sequence[Any]]
"""A split and its rows."""


@dataclass(frozen=True)
class _Shared:
    """What two files may share. of: a row's; None where it has none. also: what is said of such rows, with the
    other split in place of {}. one, several: what is in the other file, for one row left out and for several.
    numbered: the way out where it is a number."""

    of: Callable[[Any], str | None]
    also: str
    one: str
    several: str
    numbered: str = ""


TEXT = _Shared(content, "also in the {} file", "it is", "they are")
GROUP = _Shared(
    lambda row: row.group or None,
    "of groups that the {} file has, too",
    "its group is",
    "their groups are",
    NUMBERED,
)
"""A group that the user names never spans files."""


def _without(mine: Part, other: Part, what: _Shared, data: UserData, notes: list[str]) -> list[Any]:
    """The rows whose text, or whose group, the held-out file lacks."""
    split, rows = mine
    held_out = {what.of(row) for row in other[1]} - {None}
    kept = [row for row in rows if what.of(row) not in held_out]
    shared = len(rows) - len(kept)
    name = f"{TRAINING[split]} row"
    if shared and not data.drop_duplicates:
        first = next(found for row in rows if (found := what.of(row)) in held_out and found is not None)
        example = " ".join(first.split())[:60]
        hint = what.numbered if first.isdecimal() else ""
        raise BenchError(
            f"leak: {shared:,} of {counted(len(rows), name)} {_are(shared)} {what.also.format(other[0])} "
            f"(such as '{example}'): {WAY_OUT} {TRAINING[split]}{hint}",
            code="leak",
        )
    if shared:
        they = what.one if shared == 1 else what.several
        notes.append(f"{counted(shared, name)} left out: {they} also in the {other[0]} file")
    return kept


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _common(train: Sequence[Any], other: Part) -> list[str]:
    """A note on contexts and articles that both files have: who made two files divided them so."""
    split, rows = other
    held_out = {mark for row in rows for mark in _marks(row)}
    count = sum(not held_out.isdisjoint(_marks(row)) for row in train)
    if not count:
        return []
    return [
        f"look: {counted(count, 'training row is', 'training rows are')} on a context, article or document that "
        f"the {split} file has, too: a mild leak"
    ]


def _marks(row: Any) -> set[str]:
    """What rows of two files may have in common: the group, unless it is a mere number, and the context."""
    marks = {row.group} if row.group and not UNTITLED.fullmatch(row.group) else set[str]()
    return marks | ({composed(row.context)} if hasattr(row, "context") else set())


def _of_validation(validation: list[Any], test: Sequence[Any], data: UserData, notes: list[str]) -> list[Any]:
    """The validation rows. Rows of the test file among them are pointed out: they choose the state that is kept."""
    if dict(data.columns).get("group"):
        validation = _without(("validation", validation), ("test", test), GROUP, data, notes)
    else:
        validation = _told_apart("validation", validation, {row.group for row in test if row.group})
    held_out = {content(row) for row in test}
    twice = sum(content(row) in held_out for row in validation)
    if twice:
        notes.append(
            f"look: {counted(twice, 'validation row is', 'validation rows are')} also in the test file: they "
            "choose what is then scored on them"
        )
    return validation


def _told_apart(split: str, rows: Sequence[Any], shared: Collection[str]) -> list[Any]:
    """The rows; those of shared groups are of groups of this split."""
    return [replace(row, group=f"{split}: {row.group}") if row.group in shared else row for row in rows]


def plain(row: Any) -> str:
    """What a model reads of a row, whatever its case and blanks, and how its accents are written."""
    return " ".join(composed(content(row)).casefold().split())
