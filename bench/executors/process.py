"""Runs cells in worker processes, one a device, and survives what happens to them.

A worker that crashes, is killed or hangs costs one cell: the cell's record says so, the worker starts again, and
the rest goes on. This process imports no torch, so nothing that torch or a plug-in does can end it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.executors import messages
from bench.executors.contract import Finished, Listener, Work
from bench.executors.crew import Worker, cause
from bench.executors.waiting import Waiting
from bench.progress import remaining_seconds
from bench.record import Record, Status

PAUSE = 0.5  # seconds between looks at clocks, and at cells that another process runs
GENEROUS = 30.0  # times what comparable cells took
LEAST_TIMEOUT = 600.0  # seconds
FIRST_TIMEOUT = 6 * 3600.0  # seconds, where no comparable cell has run
ATTEMPTS = 2  # of a cell whose worker dies


def run_processes(cells: Sequence[Cell], work: Work, finished: Finished, listener: Listener) -> None:
    """Run every cell that no other process runs or has run. Ctrl-C loses the cells in flight alone.

    Raises BenchError where the run as a whole cannot go on."""
    listener.say("starting a worker ...")
    supervision = _Supervision(work, Waiting(cells, work.store, finished, listener), listener)
    try:
        supervision.run()
    finally:
        supervision.stop()


class _Supervision:
    """The workers, what each is at, and what has been lost with them."""

    def __init__(self, work: Work, waiting: Waiting, listener: Listener) -> None:
        self._work = work
        self._waiting = waiting
        self._listener = listener
        self._workers = [Worker(work, work.options.device, 0)]
        self._records: list[Record] = []
        self._lost: dict[str, int] = {}  # workers that died at a cell
        self._false_starts = 0
        self._oom_kills = oom_kills()

    def run(self) -> None:
        while True:
            for worker in self._workers:
                if worker.held is None:
                    self._occupy(worker)
            busy = {worker.connection: worker for worker in self._workers if worker.held}
            if not busy and self._waiting.empty:
                return
            for connection in wait(list(busy), timeout=PAUSE):
                self._hear(busy[connection])  # pyright: ignore[reportArgumentType]
            for worker in self._workers:
                if worker.overdue():
                    limit = worker.limit
                    worker.end()
                    self._give_up(worker, "timeout", f"it took longer than {limit:.0f} s")

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _occupy(self, worker: Worker) -> None:
        taken = [other.key for other in self._workers if other is not worker and other.key]
        held = self._waiting.take(worker.key, taken)
        if held:
            self._listener.cell_started(held.cell)
            worker.give(held, self._limit(held.cell))

    def _hear(self, worker: Worker) -> None:
        """One message of a worker, or its death."""
        assert worker.held is not None
        try:
            message: messages.Message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        match message:
            case messages.Ready(gpus):
                self._false_starts = 0
                worker.is_ready()
                self._enlist(gpus)
            case messages.Said(text):
                self._listener.say(text)
            case messages.Reached(point):
                self._listener.point(worker.held.cell, point)
            case messages.Finished(record, sound):
                if not sound:
                    worker.end()  # the next cell gets a new process
                self._close(worker, record)
            case messages.Refused(reason):
                raise BenchError(reason)

    def _enlist(self, gpus: int) -> None:
        """With `--device auto` every GPU gets a worker; the first worker has the first GPU."""
        if self._work.options.device == "auto" and gpus > 1 and len(self._workers) == 1:
            self._waiting.largest_first()
            self._workers += [Worker(self._work, f"cuda:{number}", number) for number in range(1, gpus)]

    def _close(self, worker: Worker, record: Record) -> None:
        assert worker.held is not None
        worker.held.release()
        worker.held = None
        self._records.append(record)
        self._listener.cell_done(record)

    def _bury(self, worker: Worker) -> None:
        """A worker has died: try its cell once more where the cause may be transient, else give the cell up."""
        held, ready = worker.held, worker.ready
        assert held is not None
        status = worker.end()
        killed_before, self._oom_kills = self._oom_kills, oom_kills()
        if not ready:
            self._false_starts += 1
            if self._false_starts == ATTEMPTS:
                raise BenchError(
                    f"the worker process does not start: it {cause(status)}{worker.last_words(None)}"
                )
            worker.give(held, self._limit(held.cell), worker.adaptations)
        elif status == -signal.SIGKILL and self._oom_kills > killed_before:
            self._give_up(worker, "oom", "the kernel killed the worker for want of memory")
        else:
            lost = self._lost[held.cell.id] = self._lost.get(held.cell.id, 0) + 1
            if lost == ATTEMPTS:
                self._give_up(worker, "killed", f"the worker {cause(status)}, {lost} times")
                return
            self._listener.say(f"{held.cell.id}: the worker {cause(status)}; once more")
            note = f"second attempt, after the worker {cause(status)}"
            worker.give(held, self._limit(held.cell), (*worker.adaptations, note))

    def _give_up(self, worker: Worker, status: Status, reason: str) -> None:
        """Write the record of a cell that was lost with its worker."""
        assert worker.held is not None
        cell = worker.held.cell
        record = Record(
            cell=cell,
            fingerprint=self._work.fingerprints.get(cell.id, ""),
            status=status,
            reason=reason + worker.last_words(cell.id),
            adaptations=worker.adaptations,
        )
        self._work.store.save(record)
        self._close(worker, record)

    def _limit(self, cell: Cell) -> float:
        """Seconds that a cell may take."""
        if self._work.options.timeout:
            return self._work.options.timeout
        estimate = remaining_seconds([cell.id], self._records)
        return FIRST_TIMEOUT if estimate is None else max(LEAST_TIMEOUT, GENEROUS * estimate)


def oom_kills() -> int:
    """Processes that the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
