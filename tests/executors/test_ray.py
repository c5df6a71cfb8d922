"""A Ray cluster of several nodes on this machine: the results of one process, whatever is lost on the way."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from bench import suite as suites
from bench.cli.display import Display
from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.executors.ray_cluster import RayCluster
from bench.executors.ray_node import Outcome
from bench.executors.ray_pool import ActorHandle
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.integrity import verify
from bench.runs.record import Record
from tests.support.made_runs import NASTY, TOYS, ToySuite, results

if find_spec("ray") is None:  # importing it would take a second of every collection
    pytest.skip("pip install ray", allow_module_level=True)
pytestmark = pytest.mark.ray

STRATEGIES = ("frozen", "top-layers", "full")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


WAITS = """
import time
from dataclasses import dataclass
from pathlib import Path
from bench.contracts import Phase, Strategy

@dataclass(frozen=True)
class Waits(Strategy):
    name = "waits"
    summary = "Works while a gate is open"

    def phases(self, depth):
        return (Phase(1.0),)

    def adapt(self, encoder):
        while Path("{gate}").exists():
            time.sleep(0.05)
"""


class Listening(Display):
    """A display that remembers."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.started: list[str] = []

    def cell_started(self, cell: Any) -> None:
        self.started.append(cell.id)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, and two nodes of one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        cluster = Cluster()
        for node in (head, NODE, NODE):
            add(cluster, node)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def add(cluster: Any, node: dict[str, Any]) -> None:
    """Add a node; Ray gives up on one that takes longer than 20 s, which a busy machine may need."""
    for patience in (True, True, False):
        try:
            cluster.add_node(**node)
            return
        except Exception as error:
            if not patience or "timed out during startup" not in str(error):
                raise


@pytest.fixture(scope="module")
def grid(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> ToySuite:
    """Two tasks, three strategies, two seeds."""
    suite = ToySuite.write(tmp_path_factory.mktemp("grid") / "grid.toml", tiny_encoder, STRATEGIES, seeds=2)
    with suite.path.open("a") as file:
        file.write("[tasks.toy-ner]\n")
    return suite


def run(
    suite: ToySuite, folder: Path, options: Options, listener: Display | None = None, *plugin: Path
) -> list[Record]:
    plugins = discover([TOYS, NASTY, *plugin])
    cells = suites.cells(suites.load(str(suite.path)), plugins)
    sources = Sources(
        cache=suite.path.parent / "cache"
    )  # one choice of attention, which is timed, for all runs
    return launch(cells, Registry(plugins, sources), folder, options, listener or Listening())


def on(cluster: Any, *plugin: Path) -> Options:
    files = (TOYS, NASTY, *plugin)
    return Options(device="cpu", threads=1, executor="ray", address=cluster.address, plugin_files=files)


@pytest.fixture(scope="module")
def inline(grid: ToySuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid in this process."""
    folder = tmp_path_factory.mktemp("inline")
    run(grid, folder, Options(device="cpu", threads=1, executor="inline"))
    return folder


def comparable(folder: Path) -> list[dict[str, Any]]:
    """The records of a run without what depends on the machine and the moment."""
    apart = {"seconds", "peak_memory", "utilisation", "machine", "started", "curve"}
    records = Store(folder).records()
    curves = [[replace(point, seconds=0) for point in record.curve] for record in records]
    return [{**r.model_dump(exclude=apart), "curve": c} for r, c in zip(records, curves, strict=True)]


def test_records_and_predictions_are_those_of_inline_and_a_node_prepares_a_group_once(
    cluster: Any, grid: ToySuite, inline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[tuple[ActorHandle, str]] = []
    receive = RayCluster._receive

    def counting(self: RayCluster, handle: ActorHandle, outcome: Outcome) -> None:
        prepared.extend((handle, text) for text in outcome.said if "reading rows, loading" in text)
        receive(self, handle, outcome)

    monkeypatch.setattr(RayCluster, "_receive", counting)
    run(grid, tmp_path, on(cluster))
    assert results(tmp_path) == results(inline)
    assert comparable(tmp_path) == comparable(inline)
    assert verify(Store(tmp_path)).damaged == {}
    assert len({text for _, text in prepared}) == 2, "both groups were prepared"
    assert len(prepared) == len(set(prepared)), "and neither more than once by a node"
    assert 2 <= prefixes(tmp_path) <= len(prepared)


def prefixes(folder: Path) -> int:
    """How often the prefix of a head's cells was computed: cells that share one are charged its very seconds."""
    records = [record for record in Store(folder).records() if record.cell.strategy == "frozen"]
    assert all(record.seconds.prefix > 0 for record in records)
    return len({(record.cell.task, record.seconds.prefix) for record in records})


def test_a_node_that_dies_costs_its_cells_in_flight_and_the_run_ends_complete(
    cluster: Any, tiny_encoder: Path, tmp_path: Path
) -> None:
    """The node is killed while both nodes have a cell that cannot end before a gate opens."""
    gate, plugin = tmp_path / "closed", tmp_path / "waits.py"
    gate.touch()
    plugin.write_text(WAITS.format(gate=str(gate)))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("waits", "full"))
    with suite.path.open("a") as file:
        file.write("[tasks.toy-ner]\n")

    class Killing(Listening):
        def cell_started(self, cell: Any) -> None:
            super().cell_started(cell)
            if len(self.started) == 2:
                threading.Timer(2.0, strike).start()  # by then the second cell has arrived

    def strike() -> None:
        before = workers(cluster)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        until = time.monotonic() + 60  # processes outlive their node for a moment, and could end the cell
        while all(map(psutil.pid_exists, before)) and time.monotonic() < until:
            time.sleep(0.1)
        gate.unlink()

    listener = Killing()
    records = run(suite, tmp_path / "run", on(cluster, plugin), listener, plugin)
    add(cluster, NODE)
    run(suite, tmp_path / "inline", Options(device="cpu", threads=1, executor="inline"), None, plugin)
    assert results(tmp_path / "run") == results(tmp_path / "inline")
    again = [record for record in records if record.adaptations]
    assert [record.adaptations for record in again] == [("attempt 2, after its node or worker was lost",)]
    assert again[0].cell.strategy == "waits"
    assert len(listener.started) == len(records) + 1


def test_a_crash_on_a_node_is_the_records_of_the_process_executor(
    cluster: Any, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("crashes",))
    [record] = run(suite, tmp_path / "run", on(cluster))
    assert record.status == "killed"
    assert (
        "the worker was ended by SIGSEGV, 2 times; last lines of logs/toy-sentiment/crashes/" in record.reason
    )
    assert "about to crash" in Store(tmp_path / "run").log_path(record.cell.id).read_text()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_ended_leaves_no_orphan_and_the_same_command_goes_on(
    cluster: Any, tiny_encoder: Path, tmp_path: Path, blow: signal.Signals
) -> None:
    """The blow falls when a cell is done, and others cannot end while the gate is closed."""
    gate, plugin = tmp_path / "closed", tmp_path / "waits.py"
    gate.touch()
    plugin.write_text(WAITS.format(gate=str(gate)))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("frozen", "waits"), seeds=2)
    folder, more = tmp_path / "run", ("--plugin", str(plugin))
    on_ray = (*more, "--executor", "ray", "--address", cluster.address)
    process = suite.start(folder, *on_ray)
    while process.poll() is None and not list((folder / "records").rglob("*.json")):
        time.sleep(0.05)
    assert workers(cluster)
    os.kill(process.pid, blow)
    process.communicate(timeout=120)
    assert gone_within(30, cluster)
    assert 0 < len(results(folder)) < 4
    gate.unlink()
    done = suite.finish(folder, *on_ray)
    assert done.returncode == 0, done.stderr
    assert suite.finish(tmp_path / "inline", *more, "--executor", "inline").returncode == 0
    assert len(results(folder)) == 4
    assert results(folder) == results(tmp_path / "inline")


def gone_within(seconds: float, cluster: Any) -> bool:
    """Whether no worker process is left after so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not workers(cluster):
            return True
        time.sleep(0.1)
    return False


def workers(cluster: Any) -> list[int]:
    """The worker processes that actors on this cluster's nodes have started."""
    nodes = cluster.list_all_nodes()
    raylets = {str(info.process.pid) for node in nodes for info in node.all_processes["raylet"]}
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = " ".join(process.info["cmdline"] or ())
        raylet = (process.info["environ"] or {}).get("RAY_RAYLET_PID")
        if "bench.executors.worker" in command and raylet in raylets:
            found.append(process.pid)
    return found


def test_a_cluster_that_is_not_there_is_one_line(grid: ToySuite, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        run(grid, tmp_path, Options(executor="ray", address="127.0.0.1:1"))
    assert error.value.code == "no-cluster"
