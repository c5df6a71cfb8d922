"""The trackers of a run, each in a process of its own. The run notifies them when a cell is done, and waits
for them only at its end. A tracker that hangs, crashes or is missing costs a warning."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bench.contracts import BenchError, Cell
from bench.planning.estimates import Estimator
from bench.runs import processes
from bench.runs.curve import Point
from bench.runs.folder import Store
from bench.runs.listeners import Screen
from bench.runs.record import Record
from bench.trackers.contract import module_of

PATIENCE = 60.0  # seconds that a run waits for its trackers at its end


class Tracking:
    """A screen that passes everything on to another, and one process a tracker that follows the run folder."""

    def __init__(self, store: Store, names: Sequence[str], screen: Screen) -> None:
        for name in names:
            module_of(name)
        self._store = store
        self._names = tuple(dict.fromkeys(names))
        self._screen = screen
        self._followers: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, cells: Sequence[Cell], finished: Sequence[Record], estimator: Estimator) -> None:
        """Start the processes. BenchError where the run folder cannot be written."""
        self._screen.begin(cells, finished, estimator)
        for name in self._names:
            log = self._log(name)
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                with log.open("wb") as output:
                    self._followers[name] = _follower(self._store.path, name, output)
            except OSError as error:
                raise BenchError(
                    f"--track {name}: {log} cannot be written ({error.strerror})", code="cannot-write"
                ) from error

    def say(self, text: str) -> None:
        self._screen.say(text)

    def note(self, text: str) -> None:
        self._screen.note(text)

    def cell_started(self, cell: Cell) -> None:
        self._screen.cell_started(cell)

    def point(self, cell: Cell, point: Point) -> None:
        self._screen.point(cell, point)

    def cell_done(self, record: Record) -> None:
        """Notify every tracker, without waiting: a full pipe means that it has already been notified."""
        self._screen.cell_done(record)
        for follower in self._followers.values():
            assert follower.stdin is not None
            with contextlib.suppress(OSError):
                os.write(follower.stdin.fileno(), b"\n")

    def end(self) -> None:
        """Wait for the trackers to finish, at most PATIENCE seconds; not at all where the run is interrupted."""
        self._screen.end()
        for follower in self._followers.values():
            assert follower.stdin is not None
            with contextlib.suppress(OSError):
                follower.stdin.close()
        until = time.monotonic() + (0 if sys.exception() else PATIENCE)
        state = "" if sys.exception() else "the run itself is complete, and "
        for name, follower in self._followers.items():
            reason = self._failure(name, follower, until)
            if reason:
                self._screen.note(f"--track {name}: {reason}; {state}the same command logs what is missing")

    def _failure(self, name: str, follower: subprocess.Popen[bytes], until: float) -> str:
        """Why the tracker did not finish; '' where it did."""
        try:
            status = follower.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            follower.kill()
            follower.wait()
            return "it did not finish in time"
        if status == 0:
            self._log(name).unlink(missing_ok=True)
            return ""
        lines = [line.strip() for line in self._log(name).read_text(errors="replace").splitlines()]
        return next((line[:300] for line in reversed(lines) if line), f"it ended with exit status {status}")

    def _log(self, name: str) -> Path:
        return self._store.path / "logs" / "trackers" / f"{name}.log"


def _follower(run: Path, name: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """`bench.trackers.follow`, with a non-blocking pipe."""
    process = subprocess.Popen(
        processes.command("bench.trackers.follow", str(run), name),
        env=processes.environment(),
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    assert process.stdin is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process
