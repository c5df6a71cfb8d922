"""A user's own data as a task: described by a frozen value, so that it reaches workers and fingerprints."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Splits, Task, digest
from bench.data.splits import all_splits, fingerprint
from bench.registry import unknown
from bench.user_data.columns import Columns

if TYPE_CHECKING:
    from bench.data.sources import Sources

ADAPTERS = ("classification", "sentiment", "ner", "qa")
ROLES = ("text", "label", "words", "tags", "question", "context", "answer", "start", "group")


@dataclass(frozen=True)
class UserData:
    """Files of a user's own, and how they are read.

    data: a file, a folder in the hub's layout, or a hub name; without the other two it is cut into training,
    validation and test rows. columns: (role, column) pairs; what is missing is guessed. adapter: '' to guess.
    drop_duplicates: leave rows out of training that are also in the test file, instead of refusing them.
    rows: a digest of all rows, '' until they were read: other rows are another task."""

    name: str
    data: str
    adapter: str = ""
    test: str = ""
    validation: str = ""
    columns: Columns = ()
    drop_duplicates: bool = False
    rows: str = ""

    def __post_init__(self) -> None:
        if self.adapter and self.adapter not in ADAPTERS:
            raise unknown("adapter", self.adapter, ADAPTERS)

    def as_values(self) -> dict[str, str | bool]:
        """The keys of a suite's `[tasks.NAME]` from which `from_values` makes this description again."""
        files = {"data": self.data, "test_data": self.test, "validation_data": self.validation}
        values: dict[str, str | bool] = {**files, "adapter": self.adapter, **dict(self.columns)}
        values["drop_duplicates"] = self.drop_duplicates
        return {key: value for key, value in values.items() if value}

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        """The adapter's class with these rows."""
        described = self

        def splits(_: Task, sources: Sources) -> Splits:
            return described.splits(sources)

        members = {
            "name": self.name,
            "summary": f"your data: {Path(self.data).name}",
            "origin": digest([self.adapter, self.rows]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"Own_{self.name}", (adapters[self.adapter],), members)

    def splits(self, sources: Sources) -> Splits:
        """The rows; BenchError where they are not those that were described."""
        found = read(dataclasses.replace(self, rows=""), sources)
        if self.rows and found.data.rows != self.rows:
            raise BenchError(f"{self.data} has changed since this run began: start it again")
        return found.splits


@dataclass(frozen=True)
class Read:
    """What reading gave: the description with nothing left to guess, the rows, and what was done on the way."""

    data: UserData
    splits: Splits
    notes: tuple[str, ...]


@functools.lru_cache(maxsize=4)
def read(data: UserData, sources: Sources) -> Read:
    """Read all files of a description. BenchError where they cannot be used."""
    from bench.user_data.reading import read_files

    adapter, columns, splits, notes = read_files(data, sources)
    sizes = {name: len(rows) for name, rows in all_splits(splits).items()}
    rows = digest([sizes, fingerprint(row for part in all_splits(splits).values() for row in part)])
    found = dataclasses.replace(data, adapter=adapter, columns=columns, rows=rows)
    return Read(found, splits, tuple(notes))


def task_name(data: str) -> str:
    """A task's name from a path or a hub name: its stem, with other characters than a folder may have replaced."""
    stem = re.sub(r"[^\w.-]+", "-", Path(data).stem, flags=re.ASCII).strip("-._")
    return stem or "mine"


def checked_name(name: str) -> str:
    """The name; BenchError where it cannot be a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, flags=re.ASCII):
        raise BenchError(f"--name {name}: use letters, digits, '-', '_' and '.'")
    return name


def from_values(name: str, values: Mapping[str, Any], folder: Path) -> UserData:
    """A description from the keys of a suite's `[tasks.NAME]`: data, adapter, test_data, validation_data,
    drop_duplicates, and columns by role. Relative paths are from `folder`. BenchError."""
    texts = {key: values.get(key, "") for key in ("data", "adapter", "test_data", "validation_data", *ROLES)}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise BenchError(f"task '{name}': {key} is {value!r}; it must be text")
    drop = values.get("drop_duplicates", False)
    if not isinstance(drop, bool):
        raise BenchError(f"task '{name}': drop_duplicates is {drop!r}; it must be true or false")
    data, test, validation = (placed(texts[key], folder) for key in ("data", "test_data", "validation_data"))
    columns = tuple((role, texts[role]) for role in ROLES if texts[role])
    return UserData(checked_name(name), data, texts["adapter"], test, validation, columns, drop)


KEYS = ("data", "adapter", "test_data", "validation_data", "drop_duplicates", *ROLES)
"""The keys of a suite's task that describe data; all others are the recipe's."""


def placed(path: str, folder: Path) -> str:
    """A path as an absolute one; a hub name, which is no file, as it is."""
    placed = folder / Path(path).expanduser()
    hub_name = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) and not placed.exists() and not placed.suffix
    return path if not path or hub_name else str(placed.resolve())
