"""What the Ray executor itself costs: cells that sleep, on a cluster of two nodes on this machine.

    python -m tests.executors.overhead [--cells 24] [--sleep 5]

Overhead is the share of the workers' time, from the first cell given to the last record written, in which a node
has no cell: dispatch, transport, writing, and waiting for the driver."""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from rich.console import Console

from bench import suite as suites
from bench.contracts import Cell
from bench.data.sources import Sources
from bench.discovery import discover
from bench.display import Display
from bench.executors import ray_cluster
from bench.executors.contract import Options
from bench.executors.ray_node import Outcome
from bench.executors.ray_pool import Hand
from bench.launch import launch
from bench.record import Record
from tests.conftest import save_tiny_encoder
from tests.runs import TOYS, ToySuite

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


class Clock(Display):
    """Notes when the first cell was given and when the last record was written."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.began, self.ended = 0.0, 0.0

    def cell_started(self, cell: Cell) -> None:
        self.began = self.began or time.monotonic()

    def cell_done(self, record: Record) -> None:
        assert record.status == "done", record.reason
        self.ended = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--sleep", type=float, default=5.0)
    chosen = parser.parse_args()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(WORKERS):
        cluster.add_node(num_cpus=1)
    busy: list[float] = []
    receive = ray_cluster.RayCluster._receive

    def listening(self: ray_cluster.RayCluster, hand: Hand, outcome: Outcome) -> None:
        busy.append(outcome.seconds)
        receive(self, hand, outcome)

    ray_cluster.RayCluster._receive = listening
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
        clock = Clock()
        launch(cells, plugins, Sources(cache=folder / "cache"), folder / "run", options, clock)
    makespan = clock.ended - clock.began
    idle = 1 - sum(busy) / (WORKERS * makespan)
    print(f"{len(busy)} cells of {sum(busy) / len(busy):.2f} s on {WORKERS} workers: {makespan:.1f} s")
    print(f"workers idle: {idle:.1%} of the makespan")
    cluster.shutdown()


if __name__ == "__main__":
    main()
