"""A worker process: `python -m bench.executors.worker <socket> <parent's process id>`. It runs the jobs that it is
sent, one after another, and dies with its parent.

What a cell prints, and the stack where it crashes, goes to the cell's log."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Cell
from bench.data.cache import notices_to
from bench.executors import messages
from bench.executors.contract import Work
from bench.runs.curve import Point
from bench.runs.record import Record

if TYPE_CHECKING:
    from bench.executors.series import Series

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent = int(sys.argv[2])
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable()
    connection = Connection(int(sys.argv[1]))
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    try:
        _serve(connection, inbox)
    except BenchError as error:
        connection.send(messages.Refused(str(error), error.code))


def _serve(connection: Connection, inbox: queue.SimpleQueue[Any]) -> None:
    setup: messages.Setup = _taken(inbox)
    import torch

    from bench.executors.series import Series
    from bench.registry import Registry, discover

    registry = Registry(discover(setup.work.options.plugin_files), setup.work.sources)
    series = Series(setup.work, registry, setup.device)
    wire = _Wire(connection)
    connection.send(messages.Ready(torch.cuda.device_count()))
    while True:
        job: messages.Job = _taken(inbox)
        _run(job, series, setup.work, wire)


def _run(job: messages.Job, series: Series, work: Work, wire: _Wire) -> None:
    """Run a job's cells; what each of them prints goes to its own log."""
    records = series.run(job.cells, wire, job.adaptations)
    for cell in job.cells:
        with notices_to(wire.say), _captured(work.store.log_path(cell.id)):
            record = next(records)
        sound = _sound()
        wire.finished(record, sound)
        if not sound:
            return  # the parent ends this process


def _taken(inbox: queue.SimpleQueue[Any]) -> Any:
    """The next message. BenchError where it could not be read."""
    message = inbox.get()
    if isinstance(message, BenchError):
        raise message
    return message


def _sound() -> bool:
    """Whether the device still answers: after an assertion in a CUDA kernel every later call of CUDA fails."""
    import torch

    if not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


class _Wire:
    """A listener that passes everything on to the parent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def say(self, text: str) -> None:
        self._connection.send(messages.Said(text))

    def note(self, text: str) -> None:
        self._connection.send(messages.Noted(text))

    def cell_started(self, cell: Cell) -> None: ...

    def point(self, cell: Cell, point: Point) -> None:
        self._connection.send(messages.Reached(point))

    def cell_done(self, record: Record) -> None: ...

    def finished(self, record: Record, sound: bool) -> None:
        self._connection.send(messages.Finished(record, sound))


def _receive(connection: Connection, inbox: queue.SimpleQueue[Any]) -> None:
    """Pass on what the parent sends; end the process, whatever it is doing, when the parent is gone."""
    while True:
        try:
            inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
        except Exception as error:  # unpickling runs imports of the user's
            reason = f"{type(error).__name__}: {error}"
            inbox.put(
                BenchError(
                    f"what was defined in a script cannot be sent to a worker ({reason}): put it into a file",
                    code="not-in-a-file",
                )
            )


def die_with(parent: int) -> None:
    """On Linux the kernel kills this process when its parent dies, even in the middle of a long kernel call."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


@contextlib.contextmanager
def _captured(path: Path) -> Iterator[None]:
    """Sends everything that this process prints to the file; an empty one is deleted."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise BenchError(
            f"{path} cannot be written ({error.strerror}): make room or choose --out", code="cannot-write"
        ) from error
    before = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        for number, descriptor in enumerate(before, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        with contextlib.suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


if __name__ == "__main__":
    main()
