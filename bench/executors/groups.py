"""Which cell comes next: cells follow the rows, weights and prefix that a worker has ready. Pure; no files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bench.contracts import Cell
from bench.models.catalog import kind_of

Key = tuple[Any, ...]

LEAST_TO_SHARE = 2  # waiting cells of a group that make it worth a second worker's preparing


class Groups:
    """Waiting cells by what they share. together: ids of cells that train together with their other seeds.
    by_strategy: the seeds of a strategy follow one another, so that the next takes over what the last has captured;
    else every strategy of the first seed comes first."""

    def __init__(
        self, cells: Iterable[Cell], together: Collection[str] = (), by_strategy: bool = False
    ) -> None:
        self._together = together
        self._cells: dict[Key, list[Cell]] = {}
        # without an encoder first: word vectors are read once for all tasks and leave memory before one comes
        for cell in sorted(cells, key=lambda cell: kind_of(cell.backbone) == "encoder"):
            self._cells.setdefault(cell.group_key, []).append(cell)
        for key, members in self._cells.items():
            members.sort(key=lambda cell: cell.seed)  # a first table stands early and then fills
            if by_strategy:
                kinds: dict[Key, list[Cell]] = {}
                for cell in members:
                    kinds.setdefault((cell.strategy, cell.options), []).append(cell)
                self._cells[key] = [cell for kind in kinds.values() for cell in kind]

    def __len__(self) -> int:
        """How many cells wait."""
        return sum(map(len, self._cells.values()))

    def largest_first(self) -> None:
        """Order the groups for several workers: the one that takes longest must not start last."""
        self._cells = dict(sorted(self._cells.items(), key=lambda item: -len(item[1])))

    def choose(self, key: Key | None, taken: Collection[Key] = ()) -> Key | None:
        """The group with which a worker that has `key` ready should continue while others have `taken`: its own;
        else the first that nobody has; else, before it idles, the largest, if enough is left there for two."""
        if key in self._cells:
            return key
        for other in self._cells:
            if other not in taken:
                return other
        largest = max(self._cells, key=lambda other: len(self._cells[other]), default=None)
        return largest if largest and len(self._cells[largest]) >= LEAST_TO_SHARE else None

    def pop(self, key: Key) -> Cell:
        """The next cell of a group that has one."""
        cell = self._cells[key].pop(0)
        if not self._cells[key]:
            del self._cells[key]
        return cell

    def pop_together(self, key: Key) -> list[Cell]:
        """The next cell of a group that has one, and with it the seeds that train together with it."""
        first = self.pop(key)
        if first.id not in self._together:
            return [first]
        name = first.id.rpartition("/")[0]
        others = [cell for cell in self._cells.get(key, ()) if cell.id.rpartition("/")[0] == name]
        for cell in others:
            self._cells[key].remove(cell)
        if key in self._cells and not self._cells[key]:
            del self._cells[key]
        return [first, *others]
