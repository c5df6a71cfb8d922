"""OpenMP's threads wait passively in every process that computes, unless the user has chosen otherwise."""

from __future__ import annotations

import builtins
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.executors.contract import Work
from bench.executors.inline import Inline
from bench.peers import measuring
from bench.peers.measurement import MeasurementJob
from bench.registry import Plugins, Registry
from bench.runs import processes
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.processes import POLICY, SPINS
from tests.support.made_runs import ToySuite

SCRIPTS = Path(processes.__file__).parents[1] / "export" / "scripts"
PASSIVE = {POLICY: "passive", SPINS: "0"}
NOTES = "TRANSFERBENCH_NOTES"

NOTING = f"""
import os, sys
with open(os.environ["{NOTES}"], "a") as file:
    loaded = "torch" in sys.modules
    print(os.getpid(), os.environ.get("{POLICY}"), os.environ.get("{SPINS}"), loaded, file=file)
"""
"""A plug-in file that notes the environment of each process that imports it, and whether torch is loaded there."""


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PASSIVE:
        monkeypatch.setenv(name, "")  # so that what a test sets is undone too
        monkeypatch.delenv(name)
    return monkeypatch


def own() -> dict[str, str]:
    """The two variables of this process."""
    return {name: os.environ[name] for name in PASSIVE if name in os.environ}


def added(environment: dict[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in PASSIVE if name in environment}


@pytest.mark.usefixtures("unset")
def test_a_process_that_is_started_waits_passively() -> None:
    assert added(processes.environment()) == PASSIVE
    assert added(measuring._environment(MeasurementJob(side="engine", cells=(), device="cuda:1"))) == PASSIVE
    assert own() == {}


@pytest.mark.parametrize(
    ("device", "given", "expected"),
    [
        ("cuda:1", None, "1"),
        ("cuda", None, "0"),
        ("auto", "5,3", "5"),
        ("cuda:1", "5,3", "3"),
        ("auto", "", ""),
    ],
)
def test_a_side_sees_one_gpu(
    device: str, given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainer would take all of them; this engine finds its own as the first."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    job = MeasurementJob(side="engine", cells=(), device=device)
    assert measuring._environment(job)["CUDA_VISIBLE_DEVICES"] == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({POLICY: "active"}, {POLICY: "active"}),
        ({POLICY: "active", SPINS: "300"}, {POLICY: "active", SPINS: "300"}),
        ({SPINS: "300"}, {POLICY: "passive", SPINS: "300"}),
    ],
)
def test_what_the_user_has_set_stays(
    chosen: dict[str, str], expected: dict[str, str], unset: pytest.MonkeyPatch
) -> None:
    for name, value in chosen.items():
        unset.setenv(name, value)
    assert added(processes.environment()) == expected
    processes.wait_passively()
    assert own() == expected


def test_the_program_and_its_workers_wait_passively_before_torch_is_loaded(
    tiny_encoder: Path, tmp_path: Path, unset: pytest.MonkeyPatch
) -> None:
    notes, plugin = tmp_path / "notes", tmp_path / "noting.py"
    plugin.write_text(NOTING)
    unset.setenv(NOTES, str(notes))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("frozen",))
    done = suite.finish(tmp_path / "run", "--plugin", str(plugin))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in notes.read_text().splitlines()]
    assert len({process for process, *_ in lines}) == 2
    assert all((policy, spins) == ("passive", "0") for _, policy, spins, _ in lines)
    assert lines[0][-1] == "False"


class _Reached(Exception):
    """Something imports torch, or a library that does."""


@pytest.mark.parametrize("script", ["text.py", "words.py", "questions.py"])
@pytest.mark.parametrize("chosen", [None, "active"])
def test_the_script_of_an_exported_model_waits_passively_before_torch_is_loaded(
    script: str, chosen: str | None, unset: pytest.MonkeyPatch
) -> None:
    if chosen:
        unset.setenv(POLICY, chosen)
    real = builtins.__import__

    def importing(name: str, *more: Any) -> Any:
        if name.partition(".")[0] in ("torch", "transformers"):
            raise _Reached(os.environ.get(POLICY))
        return real(name, *more)

    unset.setattr(builtins, "__import__", importing)
    with pytest.raises(_Reached, match=chosen or "passive"):
        runpy.run_path(str(SCRIPTS / script))


@pytest.mark.usefixtures("unset")
def test_cells_in_this_process_wait_passively_before_torch_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugins: Plugins
) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr("bench.executors.series.Series", lambda *_: seen.append(own()))
    Inline(Work(Store(tmp_path)), Registry(plugins), Silent()).ready()
    assert seen == [PASSIVE]


IN_A_NOTEBOOK = """
import builtins, os, sys
import bench

real = builtins.__import__

def importing(name, *more):
    if name.partition(".")[0] == "torch":
        print(os.environ.get("OMP_WAIT_POLICY"), "torch" in sys.modules, flush=True)
        os._exit(0)
    return real(name, *more)

builtins.__import__ = importing
bench.export("model", task="movie-sentiment")
"""


@pytest.mark.usefixtures("unset")
def test_a_model_that_a_notebook_trains_waits_passively_before_torch_is_loaded() -> None:
    command = [sys.executable, "-P", "-c", IN_A_NOTEBOOK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_without_policy())
    assert done.stdout.split() == ["passive", "False"], done.stderr


def _without_policy() -> dict[str, str]:
    """What the notebook's process begins with: this project on its path, and nothing chosen."""
    return {name: value for name, value in processes.environment().items() if name not in PASSIVE}
