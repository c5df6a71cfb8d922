"""What the first cells need is fetched before they run; what only later cells need, while they do.

The thread that fetches and converts has the lowest priority, so that the cells that run keep their cores."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import Cell, Splits
from bench.data.hub import SplitRows
from bench.data.packages.registries import Package
from bench.data.rows import rows_file
from bench.data.sources import HubData, Sources
from bench.planning.forecast import missing_backbone
from bench.registry import Registry

LOWEST = 19  # the nice value of a thread that takes only what others leave


class _Answered(Exception):
    """here: whether the rows of a task need no fetching and no conversion."""

    def __init__(self, here: bool) -> None:
        super().__init__()
        self.here = here


@dataclass(frozen=True)
class _Asking(Sources):
    """Sources that answer, at the first call, whether rows are in the cache."""

    def members(self, package: Package, names: Sequence[str] = ()) -> dict[str, Path]:
        raise _Answered(False)

    def cached(self, name: str, version: int, build: Callable[[], Splits]) -> Splits:
        raise _Answered(rows_file(name, version, self.cache).is_file())

    def hub_data(self, wanted: HubData) -> SplitRows:
        raise _Answered(bool(self.local_copy(wanted)))


def are_here(task: str, registry: Registry) -> bool:
    """Whether the rows of a task are on this machine, ready to be read. Those of a user's own files are."""
    if registry.task(task).origin:
        return True
    try:
        registry.task(task).splits(_Asking(registry.sources.cache, registry.sources.local))
    except _Answered as answer:
        return answer.here
    except Exception:  # a plug-in may raise anything; the check of its rows says what
        return True
    return True


def divide(cells: Sequence[Cell], registry: Registry) -> tuple[list[Cell], list[Cell]]:
    """The cells that are checked before anything runs, and those that need something to be fetched which is fetched
    while the others run. Of the first task, the backbone with the most cells is always among the first."""
    if len({(cell.task, cell.backbone) for cell in cells}) == 1:
        return list(cells), []
    tasks = {name: are_here(name, registry) for name in dict.fromkeys(cell.task for cell in cells)}
    cache = registry.sources.cache
    here = {name: missing_backbone(name, cache) is None for name in {cell.backbone for cell in cells}}
    counts: dict[str, int] = {}
    for cell in cells:
        if cell.task == cells[0].task:
            counts[cell.backbone] = counts.get(cell.backbone, 0) + 1
    first = cells[0].task, max(counts, key=counts.__getitem__)
    now, later = [], []
    for cell in cells:
        ready = (tasks[cell.task] or cell.task == first[0]) and (
            here[cell.backbone] or cell.backbone == first[1]
        )
        (now if ready else later).append(cell)
    return now, later


class Background:
    """An action in a thread of the lowest priority."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self._error: BaseException | None = None
        context = contextvars.copy_context()  # notices go where those of this thread go
        self._thread = threading.Thread(target=lambda: context.run(self._run), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for its end; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # priorities of threads are Linux's
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
        try:
            self._action()
        except BaseException as error:
            self._error = error
