"""What runs on a node of a Ray cluster: supervised worker processes, as on one machine, whose files go back to
the driver.

Nodes and driver need no common folder. A node keeps a cell's files in a temporary folder until they are sent,
and downloads into its own cache, once for all of its workers."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import bench
from bench.contracts import BenchError, Cell
from bench.data.cache import default_cache
from bench.executors.contract import Work
from bench.executors.process import Processes
from bench.runs.cell_files import CellFiles
from bench.runs.folder import Store
from bench.runs.listeners import Silent


@dataclass(frozen=True)
class NodeSetup:
    """What a node cannot know: the driver's request, its folder, the text of its plug-ins by their paths, and local
    paths that the cells need. own_cache: use the node's cache folder rather than the driver's."""

    work: Work
    folder: str
    plugins: Mapping[str, bytes]
    paths: Sequence[str]
    own_cache: bool


@dataclass(frozen=True)
class Hello:
    """A worker on its node, ready."""

    node: str
    code: str


@dataclass(frozen=True)
class Outcome:
    """The files of a job's cells, the seconds that the node spent on it, and what was said and noted on the way."""

    files: tuple[CellFiles, ...]
    seconds: float
    said: tuple[str, ...]
    notes: tuple[str, ...]


class Runner:
    """The Ray actor. It imports no torch; its one worker process does, and dies with it."""

    def __init__(self, setup: NodeSetup, device: str) -> None:
        with suppress(OSError):  # relative paths mean the same where the nodes share a folder
            os.chdir(setup.folder)
        self._paths = setup.paths
        self._scratch = tempfile.TemporaryDirectory(prefix="transferbench-", ignore_cleanup_errors=True)
        work = setup.work
        described = [item for item in work.options.plugin_files if not isinstance(item, Path)]
        files = _unpacked(setup.plugins, Path(self._scratch.name))
        options = replace(work.options, device=device, plugin_files=(*files, *described))
        sources = replace(work.sources, cache=default_cache()) if setup.own_cache else work.sources
        self._store = Store(Path(self._scratch.name) / "run")
        self._messages = _Messages()
        self._processes = Processes(
            replace(work, store=self._store, options=options, sources=sources), self._messages
        )

    def hello(self) -> Hello:
        """Start the worker process and wait for it. BenchError where it cannot run cells."""
        self._check(self._paths)
        self._processes.ready()
        return Hello(platform.node(), code())

    def run(self, cells: Sequence[Cell], adaptations: tuple[str, ...] = ()) -> Outcome:
        """Run a job; the files of its cells, whatever came of them."""
        began = time.monotonic()
        self._messages.forget()
        self._processes.run(cells, lambda _: None, adaptations)
        files = tuple(CellFiles.pack(self._store, cell.id) for cell in cells)
        for each in files:
            each.remove(self._store)
        return Outcome(
            files, time.monotonic() - began, tuple(self._messages.said), tuple(self._messages.notes)
        )

    def close(self) -> None:
        self._processes.stop()
        self._scratch.cleanup()

    def _check(self, paths: Sequence[str]) -> None:
        for path in paths:
            if not Path(path).exists():
                raise BenchError(
                    f"node {platform.node()} has no {path}: put it at this path on every node (a shared folder, or "
                    "the nodes' image), or give a name that each node can download",
                    code="node-lacks-path",
                )


class _Messages(Silent):
    """Keeps what it hears until the job is done."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.notes: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def forget(self) -> None:
        self.said, self.notes = [], []


def _unpacked(plugins: Mapping[str, bytes], folder: Path) -> tuple[Path, ...]:
    """The plug-in files, each in a folder of its own, under the names that they had."""
    paths = [folder / "plugins" / str(number) / Path(name).name for number, name in enumerate(plugins)]
    for path, content in zip(paths, plugins.values(), strict=True):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return tuple(paths)


@functools.cache
def code() -> str:
    """A digest of this program's source, the same on all nodes that run the same version of it."""
    root = Path(bench.__file__).parents[1]
    files = sorted(path for name in ("bench", "strategies", "tasks") for path in (root / name).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
