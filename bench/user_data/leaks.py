"""Rows and groups that are in two of the user's files: refused, or left out of the file that is not held out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.data.splits import content
from bench.text import counted

if TYPE_CHECKING:
    from bench.user_data.description import UserData

UNTITLED = re.compile(r"article \d+")
"""The group of an article without a title: each file counts its own."""

TRAINING = {"train": "training", "validation": "validation"}
WAY_OUT = "scores would be too good; remove them, or give --drop-duplicates to leave them out of"


def without_leaks(rows: Mapping[str, list[Any]], data: UserData, notes: list[str]) -> dict[str, list[Any]]:
    """The rows of each split without those that a held-out file has, too, or whose group it has, where leaving them
    out was asked for. notes: what was done is added. BenchError where there are some and it was not."""
    found = dict(rows)
    named = bool(dict(data.columns).get("group"))
    for split in ("validation", "test"):
        if split not in found:
            continue
        found["train"] = _without_rows(found["train"], (split, found[split]), data, notes)
        if named:
            found["train"] = _without_groups(("train", found["train"]), (split, found[split]), data, notes)
        else:
            found[split] = _renamed(found["train"], (split, found[split]), notes)
    if "validation" in found and "test" in found:
        found["validation"] = _of_validation(found["validation"], found["test"], data, notes)
    empty = next((split for split, left in found.items() if not left), None)
    if empty:
        raise BenchError(
            f"leak: every {TRAINING.get(empty, empty)} row is also in another file: give rows of its own",
            code="leak",
        )
    return found


Part = tuple[str, Sequence[Any]]
"""A split and its rows."""


def _without_rows(train: list[Any], other: Part, data: UserData, notes: list[str]) -> list[Any]:
    """The training rows whose content the other file lacks."""
    split, rows = other
    held_out = {content(row) for row in rows}
    kept = [row for row in train if content(row) not in held_out]
    shared = len(train) - len(kept)
    if shared and not data.drop_duplicates:
        first = next(content(row) for row in train if content(row) in held_out)
        example = " ".join(first.split())
        raise BenchError(
            f"leak: {shared:,} of {counted(len(train), 'training row')} are also in the {split} file (such as "
            f"'{example[:60]}'): {WAY_OUT} training",
            code="leak",
        )
    if shared:
        notes.append(f"{counted(shared, 'training row')} left out: they are also in the {split} file")
    return kept


def _without_groups(mine: Part, other: Part, data: UserData, notes: list[str]) -> list[Any]:
    """The rows whose group the held-out file lacks. A group that the user names never spans files."""
    split, rows = mine
    held_out = {row.group for row in other[1] if row.group}
    kept = [row for row in rows if row.group not in held_out]
    shared = len(rows) - len(kept)
    what = f"{TRAINING[split]} row"
    if shared and not data.drop_duplicates:
        group = next(row.group for row in rows if row.group in held_out)
        raise BenchError(
            f"leak: {shared:,} of {counted(len(rows), what)} are of groups that the {other[0]} file has, too (such "
            f"as '{group[:60]}'): {WAY_OUT} {TRAINING[split]}",
            code="leak",
        )
    if shared:
        notes.append(f"{counted(shared, what)} left out: their groups are also in the {other[0]} file")
    return kept


def _renamed(train: Sequence[Any], other: Part, notes: list[str]) -> list[Any]:
    """The held-out rows. Contexts and articles that both files have are pointed out and told apart: who made two
    files divided them so."""
    split, rows = other
    shared = {row.group for row in train if row.group} & {row.group for row in rows}
    count = sum(row.group in shared and not UNTITLED.fullmatch(row.group) for row in train)
    if count:
        notes.append(
            f"look: {counted(count, 'training row is', 'training rows are')} on a context, article or document "
            f"that the {split} file has, too: a mild leak"
        )
    return [replace(row, group=f"{split}: {row.group}") if row.group in shared else row for row in rows]


def _of_validation(validation: list[Any], test: Sequence[Any], data: UserData, notes: list[str]) -> list[Any]:
    """The validation rows. Rows of the test file among them are pointed out: they choose the state that is kept."""
    if dict(data.columns).get("group"):
        validation = _without_groups(("validation", validation), ("test", test), data, notes)
    else:
        validation = _renamed_validation(validation, test)
    held_out = {content(row) for row in test}
    twice = sum(content(row) in held_out for row in validation)
    if twice:
        notes.append(
            f"look: {counted(twice, 'validation row is', 'validation rows are')} also in the test file: they "
            "choose what is then scored on them"
        )
    return validation


def _renamed_validation(validation: Sequence[Any], test: Sequence[Any]) -> list[Any]:
    shared = {row.group for row in test if row.group}
    return [
        replace(row, group=f"validation: {row.group}") if row.group in shared else row for row in validation
    ]
