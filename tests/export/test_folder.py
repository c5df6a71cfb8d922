"""An exported model is a standard one: without this project, it predicts what the harness predicts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.export import folder as exporting
from bench.export.folder import export
from bench.registry import Plugins, Registry, discover

RECIPE = Recipe(epochs=2, batch_size=8, max_length=32, stride=8, pooling="cls", rate_scale=3)
STRATEGIES = ("frozen", "top-layers", "gradual", "full", "lp-ft", "lora")
TASKS = ("toy-kinds", "toy-sentiment", "toy-ner", "toy-qa")
WITHOUT_BENCH = """
import importlib.util, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bench", "strategies", "tasks"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocked())
found = []
for folder, inputs in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location("predict", folder + "/predict.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found.append(script.predict(folder, inputs))
print("PREDICTIONS", json.dumps(found))
"""
"""A process that finds no module of this project, run with -I: no current folder, no PYTHONPATH."""


@dataclass(frozen=True)
class Model:
    """An exported folder, what was predicted from, and the harness's own predictions, of all test rows."""

    folder: Path
    inputs: Sequence[Any]
    expected: Sequence[Any]


def elsewhere(models: Sequence[Model], cwd: Path) -> list[list[Any]]:
    """What the folders' own scripts predict where this project is not installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_BENCH],
        input=json.dumps([(str(model.folder), model.inputs) for model in models]),
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("PREDICTIONS "))
    return json.loads(line.removeprefix("PREDICTIONS "))


@pytest.fixture(scope="module")
def pairs(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Model, list[Any]]]:
    """By task and strategy: the exported model, and what it predicts without this project."""
    plugins = discover([toy_plugin, Path(__file__).parents[1] / "support" / "toy_kinds.py"])
    work = tmp_path_factory.mktemp("models")
    models = {}
    with pytest.MonkeyPatch.context() as patch:
        check = exporting._check

        def noted(folder: Path, group: Any, expected: Sequence[Any]) -> None:
            task, strategy = folder.name.removeprefix(".").split("_")[:2]
            target = work / f"{task}_{strategy}_model"
            models[task, strategy] = Model(target, exporting._inputs(group.rows.test), expected)
            check(folder, group, expected)

        patch.setattr(exporting, "_check", noted)
        for task in TASKS:
            for strategy in STRATEGIES:
                cell = toy_cell(strategy, task=task, recipe=RECIPE)
                export(cell, Registry(plugins, Sources(cache=work)), work / f"{task}_{strategy}_model", "cpu")
    found = elsewhere(list(models.values()), work)
    return {key: (model, said) for (key, model), said in zip(models.items(), found, strict=True)}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("task", TASKS)
def test_without_this_project_a_model_predicts_what_the_harness_predicts(
    task: str, strategy: str, pairs: dict[tuple[str, str], tuple[Model, list[Any]]]
) -> None:
    model, said = pairs[task, strategy]
    assert len(model.expected) > 5
    assert said == [list(item) if isinstance(item, tuple) else item for item in model.expected]


def test_the_models_have_learnt_something_to_compare(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]],
) -> None:
    """Equal predictions of models that always say the same would show little."""
    for task in TASKS:
        assert any(len({str(item) for item in pairs[task, name][1]}) > 1 for name in STRATEGIES), task


def exported(cell: Cell, plugins: Plugins, folder: Path) -> Any:
    return export(cell, Registry(plugins, Sources(cache=folder / "cache")), folder / "model", "cpu")


def test_a_folder_is_written_whole_and_says_what_it_is(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    found = exported(toy_cell("frozen", recipe=RECIPE), plugins, tmp_path)
    assert found.checked > 5
    assert sorted(path.name for path in tmp_path.glob("*model*")) == ["model"]
    assert "pipeline_tag: text-classification" in (tmp_path / "model" / "README.md").read_text()


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
