"""A run and its trackers: nothing that a tracker does can fail the run or hold it up."""

from __future__ import annotations

import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.planning.estimates import Estimator
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import LanguageLoss, Served, Serving
from bench.trackers import contract, tracking
from bench.trackers.tracking import Tracking
from tests.support.made_runs import ToySuite
from tests.trackers.conftest import record


class Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, *_: Any) -> None: ...
    def end(self) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def followed(store: Store, name: str, cells: int = 1) -> list[str]:
    """The notes of a run of so many cells."""
    screen = Noting()
    watching = Tracking(store, [name], screen)
    watching.begin([], [], Estimator())
    for _ in range(cells):
        watching.cell_done(record())
    watching.end()
    return screen.notes


def test_every_cell_is_there_at_the_end(store: Store) -> None:
    pytest.importorskip("tensorboard")
    assert followed(store, "tensorboard") == []
    assert len(list((store.path / "tensorboard").rglob("events.*"))) == 3
    assert not list((store.path / "logs" / "trackers").iterdir())


def test_a_server_that_is_not_there_is_a_note(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    [note] = followed(store, "mlflow")
    assert note.startswith("--track mlflow: ")
    assert note.endswith("the run itself is complete, and the same command logs what is missing")


def test_a_tracker_that_hangs_neither_blocks_a_cell_nor_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that never reads: more cells than its pipe can hold are told to it."""
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tracking, "PATIENCE", 0.2)
    began = time.monotonic()
    assert "it did not finish in time" in followed(store, "tensorboard", cells=100_000)[0]
    assert time.monotonic() - began < 30  # it sleeps for a minute


def test_a_run_that_was_interrupted_is_not_called_complete(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        [note] = followed(store, "tensorboard")
    assert note.endswith("it did not finish in time; the same command logs what is missing")


def test_an_unknown_tracker_is_refused(store: Store) -> None:
    with pytest.raises(BenchError, match="did you mean 'mlflow'") as error:
        Tracking(store, ["mlfow"], Noting())
    assert error.value.code == "unknown-tracker"


def test_trackers_are_the_files_of_their_folder_and_what_packages_name(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A tracker of a package is opened as one of the project's own; a name that is taken stays."""
    assert set(contract.modules()) >= {"mlflow", "tensorboard", "wandb"}
    (tmp_path / "my_tracker.py").write_text("def opened(store):\n    return store.suite(), 'mine'\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = [
        EntryPoint("mine", "my_tracker", "transferbench.trackers"),
        EntryPoint("mlflow", "my_tracker", "transferbench.trackers"),
    ]
    monkeypatch.setattr(contract, "entry_points", lambda group: found)
    monkeypatch.setattr(contract, "modules", contract.modules.__wrapped__)
    assert contract.tracker("mine", store) == ("suite", "mine")
    assert contract.modules()["mlflow"] == "bench.trackers.mlflow"


def test_what_was_measured_beside_the_scores_is_logged_too() -> None:
    served = Served(p50=0.001, p95=0.002, single=1000.0, batch=8, best=3000.0)
    loss = LanguageLoss(kind="causal", before=2.0, after=2.5)
    found = contract.metrics(record(serving=Serving(plain=served), forgetting=(1.0, 0.5), language_loss=loss))
    assert found["serving.plain.p50"] == 0.001
    assert not any(name.startswith("serving.merged") for name in found)
    assert (found["forgetting.cka.0"], found["forgetting.cka.1"]) == (1.0, 0.5)
    assert (found["forgetting.lm_before"], found["forgetting.lm_after"]) == (2.0, 2.5)


def test_run_logs_to_tensorboard(tiny_encoder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("frozen",))
    done = suite.finish_warm(tmp_path / "run", "--executor", "inline", "--track", "tensorboard")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run" / "tensorboard").rglob("events.*"))) == 1
