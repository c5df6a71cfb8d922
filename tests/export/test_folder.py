"""An exported model is a standard one: without this project, it predicts what the harness predicts."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.discovery import Plugins
from bench.export.folder import _inputs, export

RECIPE = Recipe(epochs=2, batch_size=8, max_length=32, stride=8, pooling="cls", rate_scale=3)
WITHOUT_BENCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bench", "strategies", "tasks"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocked())
import importlib.util, json
spec = importlib.util.spec_from_file_location("predict", sys.argv[1] + "/predict.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
print("PREDICTIONS", json.dumps(script.predict(sys.argv[1], json.loads(sys.stdin.read()))))
"""
"""A process that finds no module of this project, run with -I: no current folder, no PYTHONPATH."""


def predictions_here(folder: Path, inputs: list[Any]) -> list[Any]:
    """What the script says in this process: `export` has found it equal to the harness's own predictions."""
    return runpy.run_path(str(folder / "predict.py"))["predict"](str(folder), inputs)


STRATEGIES = ("frozen", "top-layers", "gradual", "full", "lp-ft", "lora")


def exported(cell: Cell, plugins: Plugins, folder: Path) -> Any:
    return export(cell, plugins, Sources(cache=folder / "cache"), folder / "model", "cpu")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
def test_every_strategy_of_every_adapter_predicts_alike(
    task: str, strategy: str, toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    """`export` itself compares all test rows, through the folder's script, and refuses where one differs."""
    found = exported(toy_cell(strategy, task=task, recipe=RECIPE), plugins, tmp_path)
    assert found.checked > 5
    assert sorted(path.name for path in tmp_path.glob("*model*")) == ["model"]


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
def test_it_predicts_where_this_project_is_not_installed(
    task: str, toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    exported(toy_cell("full", task=task, recipe=RECIPE), plugins, tmp_path)
    rows = plugins.task(task).splits(Sources(cache=tmp_path)).test
    here = predictions_here(tmp_path / "model", _inputs(rows))
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_BENCH, str(tmp_path / "model")],
        input=json.dumps(_inputs(rows)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("PREDICTIONS "))
    assert json.loads(line.removeprefix("PREDICTIONS ")) == here


def test_a_head_that_is_not_standard_says_why_not(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="reads the mean of all tokens"):
        exported(toy_cell("full", recipe=replace(RECIPE, pooling="mean")), plugins, tmp_path)
    with pytest.raises(BenchError, match="starts from random weights"):
        exported(toy_cell("scratch", recipe=RECIPE), plugins, tmp_path)
    with pytest.raises(BenchError, match="not linear"):
        exported(toy_cell("adapter", recipe=RECIPE), plugins, tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_folder_that_is_there_is_not_touched(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("mine")
    with pytest.raises(BenchError, match="not empty"):
        exported(toy_cell("full", recipe=RECIPE), plugins, tmp_path)
