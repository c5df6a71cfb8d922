"""Against a real MLflow server on its embedded store: everything of a cell, once, however often it is looked at."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench.runs.folder import Store
from bench.trackers.contract import tracker
from bench.trackers.follow import Copy
from tests.trackers.conftest import TESTS, record

for package in ("mlflow", "flask", "sqlalchemy", "aiohttp"):
    if find_spec(package) is None:  # importing them would take seconds of every collection
        pytest.skip("pip install -e .[mlflow-server]", allow_module_level=True)
pytestmark = [pytest.mark.mlflow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

START = 120.0  # seconds that the server may take to make its tables


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a SQLite store and its own artefact folder."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--backend-store-uri",
        "sqlite:///mlflow.db",
        "--artifacts-destination",
        "files",
        "--workers",
        "1",
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(address, process, folder / "log")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START
    while process.poll() is None and time.monotonic() < until:
        try:
            with opener.open(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server, which the tracker finds as a user's would: through the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    from mlflow.tracking import MlflowClient

    return MlflowClient()


def runs(client: Any, suite: str) -> dict[str, Any]:
    """The runs of an experiment by name; more than one of a name are counted in the name."""
    experiment = client.get_experiment_by_name(suite)
    found: dict[str, Any] = {}
    for run in client.search_runs([experiment.experiment_id]):
        name = run.info.run_name
        found[name if name not in found else f"{name} again"] = run
    return found


def copied(store: Store) -> int:
    return Copy(store, tracker("mlflow", store)).update()


def test_a_cell_is_a_run_with_parameters_metrics_curves_and_files(store: Store, client: Any) -> None:
    assert copied(store) == 3
    found = runs(client, "suite")
    assert sorted(found) == [record(seed).cell.id for seed in range(3)]
    run = found[record(0).cell.id]
    assert run.data.params["strategy"] == "full"
    assert run.data.params["recipe.epochs"] == "2.0"
    assert run.data.metrics["test.f1"] == 0.5
    curve = client.get_metric_history(run.info.run_id, "curve.validation_f1")
    assert [(point.step, round(point.value, 3)) for point in curve] == [(1, 0.1), (2, 0.2)]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"seed0.json", "seed0.parquet"}
    assert found[record(2).cell.id].info.status == "FAILED"
    assert found[record(2).cell.id].data.tags["reason"] == "no luck"


def test_looking_again_adds_nothing_and_a_cell_that_ran_again_is_a_new_run(store: Store, client: Any) -> None:
    copied(store)
    before = runs(client, "suite")
    assert copied(store) == 0
    assert sorted(runs(client, "suite")) == sorted(before)
    store.save(record(0, scores={"test": {"f1": 0.625}}), TESTS)
    assert copied(store) == 1
    assert len(runs(client, "suite")) == len(before) + 1


def test_what_was_cut_off_is_logged_anew_without_a_duplicate(
    store: Store, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt ends before its files are sent."""
    from bench.trackers.mlflow import MlflowClient

    def cut_off(*_: object) -> None:
        raise ConnectionError("gone")

    store.save(record(1, scores={"test": {"f1": 0.25}}), TESTS)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", cut_off)
        with pytest.raises(ConnectionError):
            copied(store)
    copied(store)
    quarter = [run for run in runs(client, "suite").values() if run.data.metrics.get("test.f1") == 0.25]
    assert [run.info.status for run in quarter] == ["FINISHED"]
