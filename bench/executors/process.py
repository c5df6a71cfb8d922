"""Runs cells in worker processes, one for each device, and survives what happens to them.

A worker that crashes, is killed or hangs costs the job in flight: one cell, or the seeds that train together. Their
records say so, the worker starts again, and the rest continues. This process imports no torch, so nothing that
torch or a plug-in does can end it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

from bench.contracts import BenchError, Cell
from bench.executors import messages
from bench.executors.comparable import comparable
from bench.executors.contract import Finished, Work
from bench.executors.waiting import Waiting
from bench.executors.worker_handle import STARTUP, Worker, cause
from bench.planning.estimates import Estimator
from bench.runs.listeners import Listener
from bench.runs.record import Record, Status

PAUSE = 0.5  # seconds between looks at clocks, and at cells that another process runs
GENEROUS = 30.0  # times the estimate
LEAST_TIMEOUT = 600.0  # seconds
FIRST_TIMEOUT = 6 * 3600.0  # seconds, where no cell has run
ATTEMPTS = 2  # of a cell whose worker dies


class Processes:
    """Worker processes as an executor (bench.executors.contract.Executor): the workers, what each is doing, and
    what was lost with them."""

    def __init__(self, work: Work, listener: Listener) -> None:
        self._work = work
        self._listener = listener
        self._waiting = Waiting((), work, lambda _: None, listener)
        self._workers = [Worker(work, work.options.devices[0], 0)]
        self._adaptations: tuple[str, ...] = ()
        self._estimator = Estimator(lambda cell: work.operations.get(cell.id, 0.0))
        self._lost: dict[str, int] = {}  # workers that died at a cell
        self._false_starts = 0
        self._oom_kills = oom_kills()

    def start(self) -> None:
        self._workers[0].start()

    def ready(self) -> None:
        worker = self._workers[0]
        worker.start()
        if not worker.ready:
            self._listener.say("waiting for the worker process to import torch ...")
        deadline = time.monotonic() + STARTUP
        while not worker.ready:
            if worker.connection.poll(PAUSE):
                self._hear(worker)
            elif time.monotonic() > deadline:
                raise BenchError(
                    f"the worker process does not start within {STARTUP:.0f} s", code="no-worker"
                )

    def run(self, cells: Sequence[Cell], finished: Finished, adaptations: tuple[str, ...] = ()) -> None:
        """As any executor. adaptations: what was changed before these cells came here."""
        self.ready()
        with suppress(BenchError):  # a damaged record
            self._estimator.learn(
                record
                for record in self._work.store.unverified_records()
                if record.machine is None or comparable(record, self._work.options)
            )
        self._adaptations = adaptations
        self._waiting = Waiting(cells, self._work, finished, self._listener)
        if len(self._workers) > 1:
            self._waiting.largest_first()
        self._supervise()

    def _supervise(self) -> None:
        while True:
            for worker in self._workers:
                if worker.held is None:
                    self._occupy(worker)
            busy = {worker.connection: worker for worker in self._workers if worker.held}
            if not busy and not self._waiting:
                return
            for connection in wait(list(busy), timeout=PAUSE):
                self._hear(busy[connection])  # pyright: ignore[reportArgumentType]
            for worker in self._workers:
                if worker.overdue():
                    limit = worker.limit
                    worker.end()
                    self._give_up(worker, "timeout", f"{_it(worker)} took longer than {limit:.0f} s")

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _occupy(self, worker: Worker) -> None:
        taken = [other.key for other in self._workers if other is not worker and other.key]
        held = self._waiting.take(worker.key, taken)
        if held:
            self._listener.cell_started(held.cell)
            worker.give(held, self._limit(held.cell), self._adaptations)

    def _hear(self, worker: Worker) -> None:
        """One message of a worker, or its death."""
        try:
            message: messages.Message = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker)
            return
        match message:
            case messages.Ready(gpus):
                self._false_starts = 0
                worker.is_ready()
                self._enlist(gpus)
            case messages.Said(text):
                self._listener.say(text)
            case messages.Noted(text):
                self._listener.note(text)
            case messages.Reached(point):
                assert worker.held is not None
                self._listener.point(worker.held.cell, point)
            case messages.Finished(record, sound):
                self._close(worker, record)
                if not sound:
                    self._replace(worker)
            case messages.Refused(reason, code):
                raise BenchError(reason, code)

    def _enlist(self, gpus: int) -> None:
        """Once the first worker is ready, every other device gets one: with `--device auto`, every other GPU."""
        others = self._work.options.devices[1:]
        if self._work.options.device == "auto":
            others = tuple(f"cuda:{number}" for number in range(1, gpus))
        if others and len(self._workers) == 1:
            self._workers += [Worker(self._work, device, 1 + i) for i, device in enumerate(others)]

    def _close(self, worker: Worker, record: Record) -> None:
        """A cell of the worker's job has its record."""
        following = worker.finish(record.cell)
        self._estimator.learn([record])
        self._listener.cell_done(record)
        if following:
            self._listener.cell_started(following)

    def _replace(self, worker: Worker) -> None:
        """End a process that cannot run another cell; what is left of its job goes to a new one."""
        worker.end()
        if worker.held:
            worker.give(worker.held, self._limit(worker.held.cell), worker.adaptations)

    def _lose(self, worker: Worker) -> None:
        """A worker has died: try its job once more where the cause may be transient, else give its cells up."""
        held, ready = worker.held, worker.ready
        status = worker.end()
        killed_before, self._oom_kills = self._oom_kills, oom_kills()
        if not ready:
            self._false_starts += 1
            if self._false_starts == ATTEMPTS:
                raise BenchError(
                    f"the worker process does not start: it {cause(status)}{worker.last_words(None)}",
                    code="no-worker",
                )
            if held is None:
                worker.start()
            else:
                worker.give(held, self._limit(held.cell), worker.adaptations)
            return
        assert held is not None
        if status == -signal.SIGKILL and self._oom_kills > killed_before:
            self._give_up(worker, "oom", "the kernel killed the worker for want of memory")
        else:
            lost = 1 + max(self._lost.get(cell.id, 0) for cell in held.cells)
            self._lost.update((cell.id, lost) for cell in held.cells)
            if lost == ATTEMPTS:
                self._give_up(worker, "killed", f"the worker {cause(status)}, {lost} times")
                return
            self._listener.note(f"{held.cell.id}: the worker {cause(status)}; it runs once more")
            note = f"second attempt, after the worker {cause(status)}"
            worker.give(held, self._limit(held.cell), (*worker.adaptations, note))

    def _give_up(self, worker: Worker, status: Status, reason: str) -> None:
        """Write the records of the cells that were lost with their worker."""
        assert worker.held is not None
        reason += worker.last_words(worker.held.cell.id)
        for cell in worker.held.cells:
            record = Record(
                cell=cell,
                fingerprint=self._work.fingerprints.get(cell.id, ""),
                status=status,
                reason=reason,
                adaptations=worker.adaptations,
            )
            self._work.store.save(record)
            self._close(worker, record)

    def _limit(self, cell: Cell) -> float:
        return self._work.options.timeout or time_limit(cell, self._estimator)


def _it(worker: Worker) -> str:
    assert worker.held is not None
    count = len(worker.held.cells)
    return "it" if count == 1 else f"it and {count - 1} more that train with it"


def time_limit(cell: Cell, estimator: Estimator) -> float:
    """Seconds that a cell may take: many times the estimate; hours where nothing comparable has run."""
    if estimator.cell(cell).basis == "assumed":
        return FIRST_TIMEOUT
    return max(LEAST_TIMEOUT, GENEROUS * estimator.total([cell]))


def oom_kills() -> int:
    """Processes that the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
