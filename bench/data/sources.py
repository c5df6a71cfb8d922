"""Where rows and weights come from: packages of pip and npm, the Hugging Face hub, a local folder.

A task's `splits` receives a `Sources`. Everything that it returns is verified and cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contracts import Splits
from bench.data.cache import default_cache
from bench.data.hub import LABELS, SPLITS, SplitRows, hub_rows, local_files, local_rows
from bench.data.packages.members import cached_members
from bench.data.packages.registries import Package
from bench.data.rows import cached_splits

__all__ = ["SPLITS", "HubData", "Package", "Sources"]


@dataclass(frozen=True)
class HubData:
    """A data set of the hub. labels: the label names by id in `column` that the caller relies on; other names
    are an error."""

    path: str
    config: str | None = None
    revision: str | None = None
    labels: Sequence[str] | None = None
    column: str = LABELS

    @property
    def folder(self) -> str:
        """The name of a local copy's folder."""
        return self.config or self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Sources:
    """cache: the folder for what was read from packages. local: a folder in the hub's layout, or None."""

    cache: Path = field(default_factory=default_cache)
    local: Path | None = None

    def members(self, package: Package, names: Sequence[str] = ()) -> dict[str, Path]:
        """Local paths of members of a package by name (default: `package.members`), downloaded when missing.

        The members of a folder stay in one folder: a model's is `members(MINILM)[…config.json].parent`.
        """
        return cached_members(package, names or package.members, self.cache)

    def cached(self, name: str, version: int, build: Callable[[], Splits]) -> Splits:
        """The result of `build()`, cached as Parquet under the task's name and version."""
        return cached_splits(name, version, build, self.cache)

    def hub(
        self,
        path: str,
        config: str | None = None,
        revision: str | None = None,
        labels: Sequence[str] | None = None,
        column: str = LABELS,
    ) -> SplitRows:
        """The rows of hub data set `path` by split; from `<local>/<config, or last part of path>/` where that
        exists.

        labels: the label names by id in `column` that the caller relies on; other names are an error."""
        return self.hub_data(HubData(path, config, revision, labels, column))

    def hub_data(self, wanted: HubData) -> SplitRows:
        """The rows of a data set by split: what `hub` returns."""
        if self.local is not None:
            rows = local_rows(self.local, wanted.folder, wanted.labels, wanted.column)
            if rows is not None:
                return rows
        return hub_rows(wanted.path, wanted.config, wanted.revision, wanted.labels, wanted.column)

    def local_copy(self, wanted: HubData) -> dict[str, Path]:
        """The files that are read instead of the hub's data set, by split; none where the hub is read."""
        return {} if self.local is None else local_files(self.local, wanted.folder)
