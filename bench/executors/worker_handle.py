"""One worker process as its parent sees it: started when needed, given jobs, ended when it must be."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from typing import IO

from bench.contracts import BenchError, Cell
from bench.executors import messages
from bench.executors.contract import Work
from bench.executors.groups import Key
from bench.executors.waiting import Held
from bench.runs import processes

STARTUP = 300.0  # seconds in which a worker must be ready
TAIL = 5  # last lines of a log that a record quotes
LOG_END = 2**16  # bytes of a log that are read for them
NOISE = "Extension modules:"  # faulthandler's last line, thousands of characters long


class Worker:
    """A process for one device. `held` is the job in flight; `adaptations` go with it."""

    def __init__(self, work: Work, device: str, number: int) -> None:
        self.device = device
        self.held: Held | None = None
        self.key: Key | None = None
        self.adaptations: tuple[str, ...] = ()
        self.ready = False
        self._work = work
        self._name = f"{os.getpid()}.{number}.log"
        # not in the run folder: the request may still be refused
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `stop`)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._deadline = 0.0
        self._each = 0.0

    @property
    def connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def give(self, held: Held, limit: float, adaptations: tuple[str, ...] = ()) -> None:
        """Run a job for at most `limit` seconds a cell, not counting the start of the process."""
        self.held, self.key, self.adaptations = held, held.cell.group_key, adaptations
        self._each = limit
        self.start()
        self._deadline = time.monotonic() + (self._limit if self.ready else STARTUP)
        with contextlib.suppress(OSError):  # it has died: its closed connection says so to whoever waits
            self.connection.send(messages.Job(held.cells, adaptations))

    def start(self) -> None:
        """Start the process where none runs."""
        if self._process is None:
            self._start()

    def is_ready(self) -> None:
        """The process has started: the clock of its first job begins."""
        self.ready = True
        self._deadline = time.monotonic() + self._limit

    def finish(self, cell: Cell) -> Cell | None:
        """A cell of the job has its record; the next one, whose clock begins, or None where the job is done."""
        assert self.held is not None
        following = self.held.finish(cell)
        if following is None:
            self.held = None
        self._deadline = time.monotonic() + self._limit
        return following

    def overdue(self) -> bool:
        return self.held is not None and time.monotonic() > self._deadline

    @property
    def limit(self) -> float:
        """Seconds that the process may take for what it is doing."""
        return self._limit if self.ready else STARTUP

    @property
    def _limit(self) -> float:
        """Seconds for the job: its cells train together, so that the first one takes most of them."""
        return self._each * (len(self.held.cells) if self.held else 1)

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
        """End the process for good; what it printed outside of cells goes to the run's logs."""
        if self._process is not None:
            self._process.kill()
            self.end()
        if self.held:
            self.held.release()
            self.held = None
        with contextlib.suppress(OSError):  # a full disk
            self._keep_log()
        self._log.close()

    def _keep_log(self) -> None:
        self._log.seek(0)
        content = self._log.read()
        if content and self._work.store.path.is_dir():
            folder = self._work.store.path / "logs" / "workers"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / self._name).write_bytes(content)

    def last_words(self, cell: str | None) -> str:
        """The last lines of the cell's log, else of what the worker printed."""
        if cell:
            path = self._work.store.log_path(cell)
            with contextlib.suppress(OSError), path.open("rb") as file:
                lines = tail(file)
                if lines:
                    return f"; last lines of {path.relative_to(self._work.store.path)}: {' | '.join(lines)}"
        lines = tail(self._log)
        return f"; its last lines: {' | '.join(lines)}" if lines else ""

    def _start(self) -> None:
        """Start the process in a process group of its own, so that Ctrl-C reaches the parent alone. It stays in the
        parent's session: Linux shares cores among sessions first and weighs priorities only within one. In another
        session it would lose half of the cores to what the parent fetches at the lowest priority."""
        ours, theirs = socket.socketpair()
        command = processes.command("bench.executors.worker", str(theirs.fileno()), str(os.getpid()))
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    env=processes.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
        except OSError as error:
            ours.close()
            raise BenchError(
                f"no worker can be started ({error.strerror}: {sys.executable})", code="no-worker"
            ) from error
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


def tail(file: IO[bytes]) -> list[str]:
    """The last lines of an open log that are not blank, each cut to 200 characters."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_END))
    text = file.read().decode(errors="replace")
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(NOISE)][-TAIL:]
