"""A user's own data as a task: described by a frozen value, so that it reaches workers and fingerprints."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Splits, Task, digest
from bench.data.file_state import State, state
from bench.data.splits import all_splits, rows_digest
from bench.registry import unknown
from bench.user_data.columns import Columns

if TYPE_CHECKING:
    from bench.data.sources import Sources

LONGEST_NAME = 100
ADAPTERS = ("classification", "sentiment", "regression", "multilabel", "ner", "qa", "unanswerable")
ROLES = (
    "text",
    "pair",
    "label",
    "words",
    "tags",
    "sentence",
    "question",
    "context",
    "answer",
    "start",
    "group",
    "split",
)


@dataclass(frozen=True)
class UserData:
    """Files of a user's own, and how they are read.

    data: a file, a folder in the hub's layout, or a hub name; without the other two it is cut into training,
    validation and test rows. columns: (role, column) pairs; what is missing is guessed. adapter: '' to guess.
    drop_duplicates: leave out training rows that a held-out file has, and rows whose group it has, instead of
    refusing them.
    encoding: of text files, '' to guess. label_names: the names of labels or tags that are numbers, from 0.
    label_separator: what separates several labels in a cell. label_columns: columns of 0 and 1, one a label.
    rows: a digest of all rows, '' until they were read: other rows are another task. sizes: training, validation
    and test rows, once they were read."""

    name: str
    data: str
    adapter: str = ""
    test: str = ""
    validation: str = ""
    columns: Columns = ()
    drop_duplicates: bool = False
    rows: str = ""
    encoding: str = ""
    label_names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    label_separator: str = ""
    label_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.adapter and self.adapter not in ADAPTERS:
            raise BenchError(str(unknown("adapter", self.adapter, ADAPTERS)), code="unknown-adapter")

    @property
    def names_test_rows(self) -> bool:
        """Whether the user says which rows are for testing, by a file or by a column."""
        return bool(self.test or dict(self.columns).get("split"))

    def as_values(self) -> dict[str, Any]:
        """The keys of a suite's `[tasks.NAME]` from which `from_values` makes this description again."""
        files = {"data": self.data, "test_data": self.test, "validation_data": self.validation}
        values: dict[str, Any] = {**files, "adapter": self.adapter, **dict(self.columns)}
        values |= {"encoding": self.encoding, "label_names": ",".join(self.label_names)}
        values |= {"drop_duplicates": self.drop_duplicates, "label_separator": self.label_separator}
        if self.label_columns:
            values["label"] = list(self.label_columns)
        return {key: value for key, value in values.items() if value}

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        """The adapter's class with these rows."""
        described = self

        def splits(_: Task, sources: Sources) -> Splits:
            return described.splits(sources)

        members = {
            "name": self.name,
            "summary": f"your data: {Path(self.data).name}",
            "sizes": "/".join(f"{size:,}" for size in self.sizes),
            "origin": digest([self.adapter, self.rows]),
            "splits": splits,
            "__module__": __name__,
        }
        return type(f"Own_{self.name}", (adapters[self.adapter],), members)

    def splits(self, sources: Sources) -> Splits:
        """The rows; BenchError where they are not those that were described."""
        found = read(dataclasses.replace(self, rows="", sizes=()), sources)
        if self.rows and found.data.rows != self.rows:
            raise BenchError(
                f"{self.data} has changed since this run began: start it again", code="changed-data"
            )
        return found.splits


@dataclass(frozen=True)
class Read:
    """The result of reading: the complete description, the rows, and notes on what was done."""

    data: UserData
    splits: Splits
    notes: tuple[str, ...]


def read(data: UserData, sources: Sources) -> Read:
    """Read all files of a description, once while they stay as they are. BenchError if they cannot be used."""
    return _read(
        data, sources, tuple(state(path) for path in (data.data, data.test, data.validation) if path)
    )


@functools.lru_cache(maxsize=4)
def _read(data: UserData, sources: Sources, _: tuple[State, ...]) -> Read:
    from bench.user_data.reading import read_files

    adapter, columns, splits, notes = read_files(data, sources)
    sizes = {name: len(rows) for name, rows in all_splits(splits).items()}
    rows = digest([sizes, rows_digest(splits)])
    counts = (len(splits.train), len(splits.validation), len(splits.test))
    found = dataclasses.replace(data, adapter=adapter, columns=columns, rows=rows, sizes=counts)
    return Read(found, splits, tuple(notes))


def task_name(data: str) -> str:
    """A task's name from a path or a hub name: its stem, accents dropped and other characters than a folder may
    have replaced. A name that is mostly of another script gets a digest, so that two such names differ."""
    stem = Path(Path(data).name.removesuffix(".gz")).stem
    folded = unicodedata.normalize("NFKD", stem)
    plain = re.sub(r"[^\w.-]+", "-", re.sub(r"[\u0300-\u036f]", "", folded), flags=re.ASCII).strip("-._")
    lost = sum(letter.isalnum() and not letter.isascii() for letter in stem)
    if lost > len(plain) or len(plain) > LONGEST_NAME - 20:
        plain = plain[: LONGEST_NAME - 20]
        return f"{plain or 'mine'}-{digest(unicodedata.normalize('NFC', stem))[:6]}"
    return plain or "mine"


def checked_name(name: str) -> str:
    """The name; BenchError where it cannot be a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, flags=re.ASCII) or len(name) > LONGEST_NAME:
        raise BenchError(
            f"--name {name[:40]}: use letters, digits, '-', '_' and '.', {LONGEST_NAME} at most",
            code="unsafe-name",
        )
    return name


def from_values(name: str, values: Mapping[str, Any], folder: Path) -> UserData:
    """A description from the keys of a suite's `[tasks.NAME]`: those of KEYS, columns by role among them. Relative
    paths are from `folder`. BenchError."""
    label: Any = values.get("label", "")
    several = tuple(label) if isinstance(label, (list, tuple)) else ()
    if several and (
        not all(isinstance(column, str) for column in several) or len(set(several)) < len(several)
    ):
        raise BenchError(
            f"task '{name}': label is {label!r}; give one column, or different columns of 0 and 1",
            code="wrong-type",
        )
    if len(several) == 1:
        label, several = several[0], ()
    texts: dict[str, Any] = {key: values.get(key, "") for key in TEXTS} | {"label": "" if several else label}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise BenchError(f"task '{name}': {key} is {value!r}; it must be text", code="wrong-type")
    drop = values.get("drop_duplicates", False)
    if not isinstance(drop, bool):
        raise BenchError(
            f"task '{name}': drop_duplicates is {drop!r}; it must be true or false", code="wrong-type"
        )
    data, test, validation = (placed(texts[key], folder) for key in ("data", "test_data", "validation_data"))
    columns = tuple((role, texts[role]) for role in ROLES if texts[role])
    return UserData(
        checked_name(name),
        data,
        texts["adapter"],
        test,
        validation,
        columns,
        drop,
        encoding=texts["encoding"],
        label_names=_label_names(values.get("label_names", "")),
        label_separator=texts["label_separator"],
        label_columns=several,
    )


TEXTS = ("data", "adapter", "test_data", "validation_data", "encoding", "label_separator", *ROLES)
KEYS = (*TEXTS, "drop_duplicates", "label_names")
"""The keys of a suite's task that describe data; all others are the recipe's."""


def _label_names(value: Any) -> tuple[str, ...]:
    """The names of `O,B-PER,I-PER`, or of a list. BenchError."""
    names = value.split(",") if isinstance(value, str) and value else value or ()
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise BenchError(f"label_names is {value!r}: write O,B-PER,I-PER", code="wrong-type")
    found = tuple(name.strip() for name in names)
    if not all(found) or len(set(found)) < len(found):
        raise BenchError(
            f"--label-names {','.join(found)[:80]}: each label needs one name of its own",
            code="wrong-label-names",
        )
    return found


def placed(path: str, folder: Path) -> str:
    """A path as an absolute one; the owner/name of a hub data set as it is. What lies in a folder that is here, or
    is named as a file of data, is a path."""
    here = folder / _expanded(path)
    owner = re.fullmatch(r"([A-Za-z0-9][\w.-]*)/[\w.-]+", path, flags=re.ASCII)
    if not path or (owner and not here.exists() and not (folder / owner[1]).exists() and not _is_file(path)):
        return path
    return os.path.realpath(here)  # unlike Path.resolve, without an error for a link to itself


def _expanded(path: str) -> Path:
    """The path with the user's home in place of `~`. BenchError where there is no such user, and for a NUL, which
    TOML can hold and a path cannot."""
    if "\0" in path:
        raise BenchError(f"{path[:200]!r} cannot be a path", code="no-path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BenchError(
            f"{path[:200]}: there is no such user; give the whole path", code="no-path"
        ) from error


def _is_file(path: str) -> bool:
    from bench.user_data.folders import SUFFIXES

    return path.lower().removesuffix(".gz").endswith(SUFFIXES)
