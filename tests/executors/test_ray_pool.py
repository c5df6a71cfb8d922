"""What cells ask of a Ray cluster, and how many workers they get: no cluster is needed to know."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.executors.contract import Options, Work
from bench.executors.ray_cluster import RayCluster
from bench.executors.ray_node import NodeSetup, Runner
from bench.executors.ray_pool import ActorHandle, Pool, Share
from bench.executors.waiting import Waiting
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent


def share(cells: list[Cell], plugins: Plugins, tmp_path: Path, gpus: bool = True) -> Share:
    work = Work(Store(tmp_path), Options(executor="ray", threads=2), Sources(cache=tmp_path))
    return RayCluster(work, Registry(plugins, work.sources), Silent())._share(cells, gpus)


@pytest.mark.parametrize("strategies", [("frozen",), ("frozen", "full")])
def test_every_encoder_asks_for_a_gpu_of_its_own(
    strategies: tuple[str, ...], plugins: Plugins, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    """Beside others the seconds of a head alone would be theirs, too."""
    assert share([toy_cell(name) for name in strategies], plugins, tmp_path) == Share(2, 1)


def test_word_vectors_and_clusters_without_gpus_ask_for_cpus(
    plugins: Plugins, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    assert share([toy_cell("frozen", backbone="glove")], plugins, tmp_path) == Share(2, 0)
    assert share([toy_cell("full")], plugins, tmp_path, gpus=False) == Share(2, 0)


@pytest.mark.parametrize(
    ("asked", "resources", "expected"),
    [
        (Share(1, 1), {"CPU": 16.0, "GPU": 8.0}, 8),
        (Share(4, 1), {"CPU": 16.0, "GPU": 8.0}, 4),
        (Share(1, 1), {"CPU": 16.0, "GPU": 2.0}, 2),
        (Share(1, 1), {"CPU": 16.0}, 0),
        (Share(1, 0), {"CPU": 3.0, "GPU": 8.0}, 3),
        (Share(1, 0), {"memory": 1.0}, 0),
    ],
)
def test_a_node_holds_as_many_workers_as_it_has_room_for(
    asked: Share, resources: dict[str, float], expected: int
) -> None:
    assert asked.fits(resources) == expected


def test_no_more_workers_are_asked_for_than_have_something_to_do(
    toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cells = [toy_cell(seed=seed) for seed in range(3)]
    pool = Pool(Share(1, 1), Waiting(cells, Work(Store(tmp_path)), lambda _: None, Silent()))
    assert pool.lacking(room=2) == 2
    assert pool.lacking(room=512) == 3


def test_a_lost_cell_waits_for_a_hand_that_has_its_group_ready(
    toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    """One cell of each group is lost; a handle at the second group gets its own, and the other's last of all."""
    cells = [toy_cell(task=task, seed=seed) for task in ("toy-sentiment", "toy-ner") for seed in range(2)]
    pool = Pool(Share(1, 0), Waiting(cells, Work(Store(tmp_path)), lambda _: None, Silent()))
    lost = [pool.waiting.take(cell.group_key) for cell in cells[::2]]
    pool.again = [held for held in lost if held]
    pool.handles = [handle := ActorHandle(MagicMock())]
    handle.key = cells[2].group_key
    order = []
    while held := pool.next_for(handle):
        order.append(held.cell)
        handle.give(held, ())
    assert order == [cells[2], cells[3], cells[1], cells[0]]


def test_a_worker_that_others_keep_from_starting_keeps_no_run_from_its_end(
    plugins: Plugins, tmp_path: Path
) -> None:
    pool = Pool(Share(1, 0), Waiting([], Work(Store(tmp_path)), lambda _: None, Silent()))
    pool.handles = [pending := ActorHandle(MagicMock())]
    cluster = RayCluster(Work(Store(tmp_path)), Registry(plugins), Silent())
    cluster._ray = MagicMock()
    cluster._ray.exceptions.RayError = RuntimeError
    cluster._staff(pool)
    assert pool.handles == []
    cluster._ray.kill.assert_called_once_with(pending.actor)


def test_without_ray_the_error_says_what_to_install(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError) as error:
        RayCluster(Work(Store(tmp_path)), Registry(plugins), Silent()).start()
    assert error.value.code == "no-extra"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"address": "auto"}, "address-without-ray"),
        ({"executor": "ray", "device": "cuda:1"}, "wrong-devices"),
    ],
)
def test_options_that_contradict_each_other_are_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(BenchError) as error:
        Options(**wrong)
    assert error.value.code == code


@pytest.mark.parametrize(("device", "refused"), [("cuda", True), ("auto", False), ("cpu", False)])
def test_a_gpu_that_no_node_has_is_refused(
    device: str,
    refused: bool,
    plugins: Plugins,
    toy_cell: Callable[..., Cell],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work(Store(tmp_path), Options(executor="ray", device=device), Sources(cache=tmp_path))
    cluster = RayCluster(work, Registry(plugins, work.sources), Silent())
    monkeypatch.setattr(cluster, "_nodes", lambda: [{"CPU": 4.0}])
    if refused:
        with pytest.raises(BenchError, match="no node of the Ray cluster has a GPU"):
            cluster._shared_out([toy_cell("full")])
    else:
        assert list(cluster._shared_out([toy_cell("full")])) == [Share(1, 0)]


def test_a_path_that_a_node_lacks_is_said_when_its_worker_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while an actor is made reaches the driver as a lost worker."""
    monkeypatch.chdir(tmp_path)
    work = Work(Store(tmp_path), Options(), Sources(cache=tmp_path))
    runner = Runner(NodeSetup(work, str(tmp_path), {}, ["/nowhere/encoder"], False), "cpu")
    try:
        with pytest.raises(BenchError, match="has no /nowhere/encoder") as error:
            runner.hello()
    finally:
        runner.close()
    assert error.value.code == "node-lacks-path"
