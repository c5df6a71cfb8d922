"""One worker process as its parent sees it: started when needed, given cells, ended when it must be."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import bench
from bench.contracts import BenchError
from bench.executors import messages
from bench.executors.contract import Work
from bench.executors.waiting import Held, Key, group_key

STARTUP = 300.0  # seconds in which a worker must be ready
TAIL = 5  # last lines of a log that a record quotes
LOG_END = 2**16  # bytes of a log that are read for them
NOISE = "Extension modules:"  # faulthandler's last line, thousands of characters long


class Worker:
    """A process for one device. `held` is the cell in flight; `adaptations` go with it."""

    def __init__(self, work: Work, device: str, number: int) -> None:
        self.device = device
        self.held: Held | None = None
        self.key: Key | None = None
        self.adaptations: tuple[str, ...] = ()
        self.ready = False
        self._work = work
        self._log = work.store.path / "logs" / "workers" / f"{os.getpid()}.{number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._deadline = 0.0
        self._limit = 0.0

    @property
    def connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def give(self, held: Held, limit: float, adaptations: tuple[str, ...] = ()) -> None:
        """Run a claimed cell for at most `limit` seconds, not counting the start of the process."""
        self.held, self.key, self.adaptations = held, group_key(held.cell), adaptations
        self._limit = limit
        if self._process is None:
            self._start()
        self._deadline = time.monotonic() + (limit if self.ready else STARTUP)
        with contextlib.suppress(OSError):  # it has died: its closed connection says so to whoever waits
            self.connection.send(messages.Job(held.cell, adaptations))

    def is_ready(self) -> None:
        """The process has started: the clock of its first cell begins."""
        self.ready = True
        self._deadline = time.monotonic() + self._limit

    def overdue(self) -> bool:
        return self.held is not None and time.monotonic() > self._deadline

    @property
    def limit(self) -> float:
        return self._limit if self.ready else STARTUP

    def end(self) -> int:
        """Kill the process if it still runs; its exit status, negative for a signal. The worker can start again."""
        assert self._process is not None
        self.connection.close()
        try:
            status = self._process.wait(
                timeout=0.5
            )  # a dying process first gets the time to die of its own cause
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process, self._connection, self.ready, self.key = None, None, False, None
        return status

    def stop(self) -> None:
        """End the process for good, and drop its own log where it is empty."""
        if self._process is not None:
            self._process.kill()
            self.end()
        if self.held:
            self.held.release()
            self.held = None
        if self._log.is_file() and self._log.stat().st_size == 0:
            self._log.unlink()

    def last_words(self, cell: str | None) -> str:
        """The last lines of the cell's log, else of the worker's."""
        paths = [self._work.store.log_path(cell)] if cell else []
        for path in (*paths, self._log):
            lines = tail(path)
            if lines:
                name = path.relative_to(self._work.store.path)
                return f"; last lines of {name}: {' | '.join(lines)}"
        return ""

    def _start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches the parent alone."""
        ours, theirs = socket.socketpair()
        paths = [str(Path(bench.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-m", "bench.executors.worker", str(theirs.fileno()), str(os.getpid())]
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log, theirs:
                self._process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise BenchError(f"no worker can be started ({error.strerror}: {self._log})") from error
        self._connection = Connection(ours.detach())
        self.connection.send(messages.Setup(self._work, self.device))


def cause(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def tail(path: Path) -> list[str]:
    """The last lines of a text file that are not blank, each cut to 200 characters; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_END))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(NOISE)][-TAIL:]
