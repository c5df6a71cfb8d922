"""What the Ray executor itself costs: cells that sleep, on a cluster of two nodes on this machine.

    python -m tests.executors.overhead [--cells 24] [--sleep 5]

Overhead is the share of the workers' time, each from its first cell given to its last record written, in which its
node has no cell: dispatch, transport, writing, and waiting for the driver. Told apart: how long workers take to
start, and what the driver needs for a record; it takes one after another, so that bounds how many workers it can
serve. Measure on a machine that does nothing else."""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import suite as suites
from bench.cli.display import Display
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.executors.ray_cluster import RayCluster
from bench.executors.ray_node import Outcome
from bench.executors.ray_pool import ActorHandle
from bench.executors.waiting import Held
from bench.registry import Registry, discover
from tests.conftest import save_tiny_encoder
from tests.support.made_runs import TOYS, ToySuite

WORKERS = 2

SLEEPS = """
import time
from dataclasses import dataclass
from bench.contracts import Phase, Strategy

@dataclass(frozen=True)
class Sleeps(Strategy):
    name = "sleeps"
    summary = "Sleeps, then trains the head"

    def phases(self, depth):
        return (Phase(1.0),)

    def adapt(self, encoder):
        time.sleep({seconds})
"""


@dataclass
class Worker:
    """A worker as the driver sees it, in seconds: when it first got a cell, when its last record was written, how
    long its node was at cells, and how long the driver was at their records."""

    began: float = 0.0
    ended: float = 0.0
    busy: float = 0.0
    driver: float = 0.0
    cells: int = 0


def watched(workers: dict[ActorHandle, Worker]) -> None:
    """Note what the driver gives to its handles and hears from them."""
    give, receive = ActorHandle.give, RayCluster._receive

    def giving(self: ActorHandle, held: Held, adaptations: tuple[str, ...]) -> None:
        worker = workers.setdefault(self, Worker(began=time.monotonic()))
        began = time.monotonic()
        give(self, held, adaptations)
        worker.driver += time.monotonic() - began

    def receiving(self: RayCluster, handle: ActorHandle, outcome: Outcome) -> None:
        worker, began = workers[handle], time.monotonic()
        receive(self, handle, outcome)
        worker.ended = time.monotonic()
        worker.driver += worker.ended - began
        worker.busy += outcome.seconds
        worker.cells += 1

    ActorHandle.give, RayCluster._receive = giving, receiving


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--sleep", type=float, default=5.0)
    chosen = parser.parse_args()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(WORKERS):
        cluster.add_node(num_cpus=1)
    workers: dict[ActorHandle, Worker] = {}
    watched(workers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = folder / "sleeps.py"
        plugin.write_text(SLEEPS.format(seconds=chosen.sleep))
        plugins = discover([TOYS, plugin])
        encoder = save_tiny_encoder(folder / "tiny")
        suite = ToySuite.write(folder / "s.toml", encoder, ("sleeps",), seeds=chosen.cells)
        cells = suites.cells(suites.load(str(suite.path)), plugins)
        options = Options(
            device="cpu", threads=1, executor="ray", address=cluster.address, plugin_files=plugins.given
        )
        began = time.monotonic()
        display = Display(Console(file=io.StringIO()))
        records = launch(
            cells, Registry(plugins, Sources(cache=folder / "cache")), folder / "run", options, display
        )
    cluster.shutdown()
    assert all(record.status == "done" for record in records), [record.reason for record in records]
    busy = sum(worker.busy for worker in workers.values())
    spans = sum(worker.ended - worker.began for worker in workers.values())
    done = sum(worker.cells for worker in workers.values())
    start = max(worker.began for worker in workers.values()) - began
    print(f"{done} cells of {busy / done:.2f} s on {len(workers)} workers, all started after {start:.1f} s")
    print(f"overhead: {1 - busy / spans:.2%} of the workers' time")
    print(f"the driver: {1000 * sum(worker.driver for worker in workers.values()) / done:.1f} ms a record")


if __name__ == "__main__":
    main()
