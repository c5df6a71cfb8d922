"""Work on the groups of a large run, split over the processors.

Python runs one thread at a time, so each share of the items has a process of its own: a copy of this one (fork),
which has in memory whatever the work reads. A result is the same in any process, and results come back in the order
of their items, so nothing depends on the number of processes. BLAS has one thread everywhere: each process would
start one a core, and how threads divide a product decides its last bits. Where a process fails, this one does its
share again: an error is raised as if there were no other process.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")

MOST = 8
"""Processes at once: each needs memory."""
PATIENCE = 10.0
"""Times as long as this process took for its own share, and seconds on top of it, that it waits for another."""

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Of cgroups 2: microseconds of CPU time in each period, and the period."""
PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""


def mapped(work: Callable[[T], R], items: Sequence[T], least: int) -> list[R]:
    """The result of `work` for every item, in their order. least: items that are worth a process; where there are
    fewer than two such shares, this process does all of them. Results must be picklable."""
    with threadpool_limits(1, user_api="blas"):
        return _mapped(work, items, least)


def _mapped(work: Callable[[T], R], items: Sequence[T], least: int) -> list[R]:
    count = min(processors(), len(items) // max(least, 1), MOST)
    if count < 2 or not _may_fork():
        return [work(item) for item in items]
    shares = [items[first::count] for first in range(count)]
    others: list[tuple[ForkProcess, Connection]] = []
    started = time.monotonic()
    try:
        # OSError: the system allows no more processes, or has no memory for one
        with suppress(OSError), _uninterrupted():
            for share in shares[1:]:
                others.append(_started(work, share, [connection for _, connection in others]))
        found = [[work(item) for item in shares[0]]]
        until = time.monotonic() + PATIENCE * (1 + time.monotonic() - started)
        for place, share in enumerate(shares[1:]):
            received = _received(others[place][1], len(share), until) if place < len(others) else None
            found.append([work(item) for item in share] if received is None else received)
    finally:
        for process, connection in others:
            connection.close()
            process.kill()
            process.join()
    return [found[place % count][place // count] for place in range(len(items))]


def processors() -> int:
    """How many processors this process may use: in a container, no more than its share of time is worth."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, CPU_MAX.read_text().split())
    except (OSError, ValueError):  # there is no such limit, or it is `max`
        return own
    return max(1, min(own, quota // max(period, 1)))


def _may_fork() -> bool:
    """Whether a copy of this process is safe: on Linux, without other threads that may hold a lock, and not in a
    process that ends with its parent."""
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and alone and not multiprocessing.current_process().daemon


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits meanwhile: between the start of a process and its place in a list, the process would be lost. A
    mask of signals would not do: another thread, of a library, may take the signal."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def _started(
    work: Callable[[T], R], share: Sequence[T], earlier: Sequence[Connection]
) -> tuple[ForkProcess, Connection]:
    """A process that does a share, and where its results arrive. earlier: where those of others do. OSError where
    the system allows none."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(
        target=_do, args=(work, share, sending, [*earlier, receiving], os.getpid()), daemon=True
    )
    try:
        # of threads of libraries, which are idle: `_may_fork` looked for others
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except BaseException:
        receiving.close()
        raise
    finally:
        sending.close()
    return process, receiving


def _do(
    work: Callable[[T], R],
    share: Sequence[T],
    sending: Connection,
    receiving: Sequence[Connection],
    parent: int,
) -> None:
    """What the other process does. It sends nothing where the work fails. receiving: the ends of pipes that only
    the parent reads; while a copy of one is open, a write to its pipe waits for a parent that has died."""
    gc.disable()  # collecting would copy the memory that both share
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    for connection in receiving:
        connection.close()
    _end_with(parent)
    try:
        sending.send([work(item) for item in share])
    except Exception:  # the parent meets it in its own process
        return
    finally:
        sending.close()


def _end_with(parent: int) -> None:
    """Have the system end this process when its parent ends, whatever the reason."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def _received(connection: Connection, count: int, until: float) -> list[Any] | None:
    """The results of another process; None where it failed, or sends nothing in time."""
    try:
        if not connection.poll(max(until - time.monotonic(), 0.0)):
            return None
        found = connection.recv()
    except (EOFError, OSError):
        return None
    return found if len(found) == count else None
