"""Where rows and weights come from: packages of pip and npm, the Hugging Face hub, a local folder.

A task's `splits` receives a `Sources`. Everything that it returns is verified and cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contracts import Splits
from bench.data.cache import default_cache
from bench.data.hub import SPLITS, SplitRows, hub_rows, local_rows
from bench.data.packages.members import cached_members
from bench.data.packages.registries import Package
from bench.data.rows import cached_splits

__all__ = ["SPLITS", "Package", "Sources"]


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
    ) -> SplitRows:
        """The rows of hub data set `path` by split; from `<local>/<config, or last part of path>/` where that
        exists.

        labels: the label names by id that the caller relies on; other names are an error."""
        if self.local is not None:
            rows = local_rows(self.local, config or path.rsplit("/", 1)[-1], labels)
            if rows is not None:
                return rows
        return hub_rows(path, config, revision, labels)
