"""Runs cells on a Ray cluster (Moritz et al. 2018, arXiv:1712.05889).

Each worker is an actor that asks for what its cells need: a GPU of its own, since a part of one would share its
seconds with others; CPUs for word vectors. Cells go to the worker that has their rows, weights and prefix ready.
Their files come back to this process, which alone writes the run folder, so that nodes need not share one. A lost
node costs the cells in flight, which run again elsewhere. This process imports no torch."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.contracts import BenchError, Cell
from bench.data.cache import default_cache
from bench.executors.contract import Finished, Work
from bench.executors.groups import Key
from bench.executors.ray_node import Hello, NodeSetup, Outcome, Runner, code
from bench.executors.ray_pool import ActorHandle, Pool, Share
from bench.executors.waiting import Held, Waiting
from bench.extras import missing
from bench.registry import Registry
from bench.runs.listeners import Listener
from bench.runs.record import Record
from bench.user_data.description import UserData

PAUSE = 0.5  # seconds between looks at the cluster, and at cells that another process runs
ATTEMPTS = 3  # of a cell whose node or worker is lost
FALSE_STARTS = 3  # workers in a row that are lost before they are ready
ANSWER = 10.0  # seconds for a cluster to answer
CLOSING = 5.0  # seconds for a worker to put its things away


class RayCluster:
    """A Ray cluster as an executor (bench.executors.contract.Executor)."""

    def __init__(self, work: Work, registry: Registry, listener: Listener) -> None:
        self._work = work
        self._registry = registry
        self._listener = listener
        self._ray: Any = None
        self._connected = False
        self._setup: Any = None
        self._pools: list[Pool] = []
        self._lost: dict[str, int] = {}  # handles lost at a cell
        self._false_starts = 0

    def start(self) -> None:
        self._ray = library()

    def ready(self) -> None:
        self.start()
        if self._ray.is_initialized():
            return
        self._listener.say("connecting to the Ray cluster ...")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # workers are told their device
        address = self._work.options.address
        try:
            _knock(address or "")
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0][:200]
            raise BenchError(
                f"--executor ray: no cluster at {address or 'the default address'} ({reason}): start one with "
                "`ray start --head`, or leave --address out for one on this machine",
                code="no-cluster",
            ) from error
        self._connected = True

    def run(self, cells: Sequence[Cell], finished: Finished) -> None:
        self.ready()
        code()  # as it was when the run began, whatever is edited meanwhile
        self._setup = self._ray.put(self._packed(cells))
        for share, members in self._shared_out(cells).items():
            waiting = Waiting(members, self._work, finished, self._listener)
            waiting.largest_first()
            self._pools.append(Pool(share, waiting))
        while any(pool.left or pool.handles for pool in self._pools):
            for pool in self._pools:
                self._staff(pool)
            tasks = {
                handle.task: (pool, handle) for pool in self._pools for handle in pool.handles if handle.task
            }
            if not tasks:
                time.sleep(PAUSE)  # the last cells run in another process
                continue
            self._ray.wait(list(tasks), timeout=PAUSE)
            heard, _ = self._ray.wait(list(tasks), num_returns=len(tasks), timeout=0)
            for task in heard:
                self._hear(*tasks[task])

    def stop(self) -> None:
        for pool in self._pools:
            for handle in list(pool.handles):
                self._dismiss(pool, handle)
            for held in pool.again:
                held.release()
        if self._connected:
            self._ray.shutdown()
            self._connected = False

    def _shared_out(self, cells: Sequence[Cell]) -> dict[Share, list[Cell]]:
        """The cells by what they ask for, the largest share first."""
        asked = self._work.options.device
        gpus = asked != "cpu" and any(node.get("GPU") for node in self._nodes())
        if not gpus and asked not in ("auto", "cpu"):
            raise BenchError(
                f"--device {asked}: no node of the Ray cluster has a GPU; use --device auto or cpu",
                code="unknown-device",
            )
        groups: dict[Key, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(cell.group_key, []).append(cell)
        found: dict[Share, list[Cell]] = {}
        for group in groups.values():
            found.setdefault(self._share(group, gpus), []).extend(group)
        return dict(sorted(found.items(), key=lambda item: -item[0].gpus))

    def _share(self, group: Sequence[Cell], gpus: bool) -> Share:
        """What the cells of one group need."""
        cpus = self._work.options.threads or 1
        return Share(cpus, 1 if gpus and self._registry.depth(group[0].backbone) else 0)

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of the living nodes."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _packed(self, cells: Sequence[Cell]) -> NodeSetup:
        given = self._work.options.plugin_files
        paths = {cell.backbone for cell in cells} | {str(self._work.sources.local or "")}
        for item in given:
            if isinstance(item, UserData):
                paths |= {item.data, item.test, item.validation}
        return NodeSetup(
            work=self._work,
            folder=os.getcwd(),
            plugins={str(path): path.read_bytes() for path in given if isinstance(path, Path)},
            paths=sorted(path for path in paths if path and Path(path).exists()),
            own_cache=self._work.sources.cache == default_cache(),
        )

    def _staff(self, pool: Pool) -> None:
        """Occupy idle handles, let go of those that nothing is left for, and ask for more where there is room.

        A handle that others keep from starting must not keep a finished run from its end."""
        for handle in [handle for handle in pool.handles if handle.held is None]:
            held = pool.next_for(handle) if handle.task is None else None
            if held:
                self._occupy(handle, held)
            elif not pool.left:
                self._dismiss(pool, handle)
        room = max(1, sum(pool.share.fits(node) for node in self._nodes()))
        for _ in range(pool.lacking(room)):
            options = {"num_cpus": pool.share.cpus, "num_gpus": pool.share.gpus}
            device = self._work.options.device if pool.share.gpus else "cpu"
            runner = self._ray.remote(**options)(Runner)
            pool.handles.append(ActorHandle(runner.remote(self._setup, device)))
            self._listener.say(f"waiting for a worker with {pool.share} ...")

    def _occupy(self, handle: ActorHandle, held: Held) -> None:
        lost = self._lost.get(held.cell.id, 0)
        notes = (f"attempt {lost + 1}, after its node or worker was lost",) if lost else ()
        self._listener.cell_started(held.cell)
        handle.give(held, notes)

    def _hear(self, pool: Pool, handle: ActorHandle) -> None:
        """Receive an actor's answer, or notice that it is lost."""
        try:
            answer = self._ray.get(handle.task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, BenchError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayError as error:
            self._lose(pool, handle, _reason(error))
            return
        handle.task = None
        if isinstance(answer, Hello):
            self._welcome(handle, answer)
        else:
            self._receive(handle, answer)

    def _welcome(self, handle: ActorHandle, hello: Hello) -> None:
        self._false_starts = 0
        handle.node = hello.node
        if hello.code != code():
            raise BenchError(
                f"node {hello.node} has another version of transferbench than this run began with: install the "
                "same on all nodes, and start again",
                code="different-node",
            )

    def _receive(self, handle: ActorHandle, outcome: Outcome) -> None:
        """Write the files of a job's cells. BenchError where the node did not run what was asked for."""
        assert handle.held is not None
        for text in outcome.said:
            self._listener.say(text)
        for text in outcome.notes:
            self._listener.note(text)
        for cell, files in zip(handle.held.cells, outcome.files, strict=True):
            files.unpack(self._work.store)
            record = self._work.store.verified(cell.id)
            assert record is not None
            if record.fingerprint != self._work.fingerprints[cell.id]:
                raise BenchError(
                    f"{cell.id}: node {handle.node} has other weights or rows than this machine",
                    code="different-node",
                )
            self._close(handle, record)

    def _lose(self, pool: Pool, handle: ActorHandle, reason: str) -> None:
        """A node or a worker is lost: its job runs again elsewhere, or is given up."""
        pool.handles.remove(handle)
        if handle.held is None:
            self._false_starts += 1
            if self._false_starts == FALSE_STARTS:
                raise BenchError(f"--executor ray: workers do not start: {reason}", code="no-worker")
            return
        cells = handle.held.cells
        lost = 1 + max(self._lost.get(cell.id, 0) for cell in cells)
        self._lost.update((cell.id, lost) for cell in cells)
        if lost < ATTEMPTS:
            self._listener.note(f"{cells[0].id}: {reason}; it runs once more")
            pool.again.append(handle.held)
            return
        for cell in cells:
            record = Record(
                cell=cell,
                fingerprint=self._work.fingerprints[cell.id],
                status="killed",
                reason=f"{reason}, {lost} times",
            )
            self._work.store.save(record)
            self._close(handle, record)

    def _close(self, handle: ActorHandle, record: Record) -> None:
        """A cell of the handle's job has its record."""
        assert handle.held is not None
        following = handle.held.finish(record.cell)
        self._listener.cell_done(record)
        if following:
            self._listener.cell_started(following)
        else:
            handle.held = None

    def _dismiss(self, pool: Pool, handle: ActorHandle) -> None:
        """End an actor: in order where it is idle, otherwise at once."""
        pool.handles.remove(handle)
        if handle.held:
            handle.held.release()
        with suppress(self._ray.exceptions.RayError):
            if handle.task is None:
                self._ray.get(handle.actor.close.remote(), timeout=CLOSING)
            self._ray.kill(handle.actor)


def library() -> Any:
    """Ray. BenchError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise missing("--executor ray", "ray", error) from error
    return ray


def _knock(address: str) -> None:
    """OSError where nothing listens at a `host:port`; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()


def _reason(error: Exception) -> str:
    """What was lost, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    node = "node died" in str(error).lower() or "node is dead" in str(error).lower()
    return (
        "its node was lost"
        if node
        else f"its worker was lost ({lines[0][:200] if lines else type(error).__name__})"
    )
