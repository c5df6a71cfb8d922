"""Views of a task: the same rows, cut in another way. They are descriptions, so they reach worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.contracts import Splits, Task, digest
from bench.data.splits import drop_duplicates, split_stratified

if TYPE_CHECKING:
    from bench.data.sources import Sources

SHARE = 0.25  # of the training rows that strategies are compared on
MOST = 1_000  # rows that are enough to compare on


@dataclass(frozen=True)
class Selection:
    """The task `of` without its test rows: strategies are compared on rows cut from its training rows, so
    that the test rows stay unseen until the choice is made."""

    of: str

    @property
    def name(self) -> str:
        return f"{self.of}.selection"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        return _derived(self.name, "selection", tasks[self.of], selection)


@dataclass(frozen=True)
class Everything:
    """The task `of` with its test rows among the training rows, where `test` says so: the model that is handed over
    learns from all but the validation rows, which still choose its best state. Its test rows are for the comparison
    with the exported model alone."""

    of: str
    test: bool

    @property
    def name(self) -> str:
        return f"{self.of}.everything"

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        return _derived(self.name, "everything", tasks[self.of], everything if self.test else _without_groups)


def selection(splits: Splits) -> Splits:
    """Training, validation, and rows to compare on in place of the test rows."""
    share = min(SHARE, MOST / len(splits.train))
    cut = split_stratified(splits.train, {"train": 1 - share, "selection": share}, "selection")
    return drop_duplicates(Splits(cut["train"], splits.validation, cut["selection"]))


def everything(splits: Splits) -> Splits:
    """All rows but the validation rows for training; nothing is scored, so groups are of no account."""
    own = {example.id for example in splits.train}
    more = [replace(row, id=f"test-{row.id}" if row.id in own else row.id) for row in splits.test]
    return _without_groups(Splits([*splits.train, *more], splits.validation, splits.test))


def _without_groups(splits: Splits) -> Splits:
    return Splits(_plain(splits.train), _plain(splits.validation), _plain(splits.test))


def _plain(rows: Sequence[Any]) -> list[Any]:
    return [replace(row, group="") for row in rows]


def _derived(name: str, kind: str, base: type[Task], cut: Any) -> type[Task]:
    def splits(self: Task, sources: Sources) -> Splits:
        return cut(base().splits(sources))

    members = {
        "name": name,
        "sizes": "",  # those of the task are not of this cut
        "origin": digest([kind, base.name, base.version, base.origin]),
        "splits": splits,
        "__module__": __name__,
    }
    return type(f"{base.__name__}_{kind}", (base,), members)
