"""What an exported model says, where this project is not installed, is what the cell predicted on its test rows:
labels, probabilities and numbers, for every adapter and every part of a recipe that changes what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.export import folder as exporting
from bench.export.folder import export
from bench.export.problem import inputs
from bench.registry import Registry, discover

SUPPORT = Path(__file__).parents[1] / "support"
PLUGINS = discover([SUPPORT / name for name in ("toy_tasks.py", "toy_kinds.py", "toy_texts.py")])
RECIPE = Recipe(
    epochs=3, batch_size=8, max_length=16, stride=4, rate_scale=5, pooling="cls", encoder_dropout=0.0
)
LONG = {"rate_scale": 20, "epochs": 6, "max_length": 9, "stride": 3}
"""Shorter than most texts of `toy-long`, so that there is something to read in windows or from both ends."""
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "classification": ("toy-kinds", "full", {}),
    "solved head": ("toy-kinds", "probe", {"pooling": "mean"}),
    "sentiment": ("toy-sentiment", "top-layers", {"pooling": "last"}),
    "class weights": ("toy-long", "full", {**LONG, "class_weights": "balanced", "pooling": "mean"}),
    "shots": ("toy-kinds", "full", {"shots": 8, "epochs": 10, "pooling": "mean"}),
    "calibrated": ("toy-kinds", "full", {"calibrate": True}),
    "pairs": ("toy-pairs", "full", {}),
    "pairs, calibrated": ("toy-pairs", "full", {"pooling": "mean", "calibrate": True}),
    "several labels": ("toy-labels", "full", {}),
    "chosen threshold": ("toy-labels", "full", {"threshold": "validation", "pooling": "mean"}),
    "numbers": ("toy-numbers", "full", {"pooling": "mean"}),
    "unanswerable": ("toy-unanswerable", "full", {"max_length": 20, "epochs": 8}),
    "mean of windows": ("toy-long", "full", {**LONG, "windows": "mean", "pooling": "mean"}),
    "maximum of windows": ("toy-long", "full", {**LONG, "windows": "max", "calibrate": True}),
    "windows, several labels": ("toy-labels", "full", {"max_length": 6, "stride": 1, "windows": "mean"}),
    "windows, numbers": ("toy-numbers", "full", {"max_length": 6, "stride": 2, "windows": "max"}),
    "both ends": ("toy-kinds", "probe", {"max_length": 6, "truncation": "head+tail"}),
    "both ends, mean": ("toy-long", "full", {**LONG, "truncation": "head+tail", "pooling": "mean"}),
}
ELSEWHERE = """
import importlib.util, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bench", "strategies", "tasks"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocked())
found = {}
for name, folder, inputs in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location("predict", folder + "/predict.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    inputs = [tuple(item) if isinstance(item, list) and script.__doc__[:5] != "Tags " else item for item in inputs]
    said = script.probabilities(folder, inputs)
    found[name] = script.answers(folder, said), said
print("FOUND", json.dumps(found))
"""


@dataclass(frozen=True)
class Case:
    """The columns that the cell predicted, its labels, and what the exported folder says elsewhere."""

    tests: dict[str, list[Any]]
    labels: tuple[str, ...]
    adapter: str
    windows: int
    answers: list[Any]
    said: list[Any]


@pytest.fixture(scope="module")
def cases(toy_cell: Callable[..., Cell], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    work = tmp_path_factory.mktemp("models")
    registry = Registry(PLUGINS, Sources(cache=work / "cache"))
    context = RunContext(registry, Device(torch.device("cpu"), torch.float32))
    asked, measured = [], {}
    for place, (name, (task, strategy, changes)) in enumerate(CASES.items()):
        texts = PLUGINS.task(task).head == "pooled"
        recipe = replace(RECIPE, **changes)
        keeps = texts and "numbers" not in task and not recipe.calibrate
        cell = toy_cell(strategy, task=task, recipe=recipe)
        kept = replace(cell, recipe=replace(recipe, logits=keeps))
        group = prepare_group(kept, context)
        record, tests = run_cell(kept, group, context, lambda point: None)
        export(cell, registry, work / str(place), "cpu")
        asked.append((name, str(work / str(place)), inputs(group.rows.test)))
        windows = len(group.encoded["test"]) - len(group.rows.test)
        measured[name] = tests["test"], group.labels, record.adapter, windows
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=work,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))[6:])
    return {name: Case(*measured[name], *found[name]) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_of_the_cell(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    if case.adapter == "regression":
        assert case.answers == pytest.approx(case.tests["predicted"], rel=1e-4)
        return
    said = {"multilabel": json.dumps, "ner": " ".join}.get(case.adapter, str)
    assert [said(answer) for answer in case.answers] == list(case.tests["prediction"])


@pytest.mark.parametrize(
    "name", [name for name, (task, *_) in CASES.items() if PLUGINS.task(task).head == "pooled"]
)
def test_probabilities_are_those_of_the_cell(name: str, cases: dict[str, Case]) -> None:
    case = cases[name]
    if case.adapter == "regression":
        assert [next(iter(item.values())) for item in case.said] == case.answers
        return
    logits = np.stack([case.tests[f"logit:{label}"] for label in case.labels], 1).astype(float)
    wanted = expit(logits) if case.adapter == "multilabel" else softmax(logits, axis=1)
    found = np.array([[item[label] for label in case.labels] for item in case.said])
    assert np.abs(found - wanted).max() < 2e-3  # logits are kept in float16


def test_the_models_have_learnt_something_to_compare(cases: dict[str, Case]) -> None:
    """Equal answers of models that always say the same would show little."""
    alike = [name for name, case in cases.items() if len({str(item) for item in case.answers}) < 2]
    assert not alike
    spread = {
        name: np.std([list(item.values()) for item in case.said])
        for name, case in cases.items()
        if isinstance(case.said[0], dict)
    }
    assert all(value > 1e-3 for value in spread.values()), spread


def test_long_texts_were_read_in_several_windows(cases: dict[str, Case]) -> None:
    assert all(cases[name].windows > 5 for name in CASES if "windows" in name)


def test_a_question_without_an_answer_is_told_apart(cases: dict[str, Case]) -> None:
    answers = cases["unanswerable"].answers
    assert 0 < sum(not answer for answer in answers) < len(answers)


def test_a_difference_of_probabilities_alone_is_noticed(
    toy_cell: Callable[..., Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels do not move with the temperature, so a comparison of labels would not see that it is lost."""
    monkeypatch.setattr(exporting, "in_units", lambda head, *_: head)
    cell = toy_cell("full", task="toy-kinds", recipe=replace(RECIPE, calibrate=True))
    registry = Registry(PLUGINS, Sources(cache=tmp_path / "cache"))
    with pytest.raises(BenchError) as error:
        export(cell, registry, tmp_path / "model", "cpu")
    assert error.value.code == "export-differs"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("changes", [{"windows": "mean"}, {"truncation": "head+tail"}], ids=str)
@pytest.mark.parametrize(("task", "code"), [("toy-pairs", "pairs"), ("toy-ner", "not-whole-texts")])
def test_what_cannot_be_read_so_is_refused_before_training(
    task: str,
    code: str,
    changes: Any,
    toy_cell: Callable[..., Cell],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "train", lambda *_: pytest.fail("it was trained"))
    registry = Registry(PLUGINS, Sources(cache=tmp_path / "cache"))
    with pytest.raises(BenchError) as error:
        export(
            toy_cell("full", task=task, recipe=replace(RECIPE, **changes)),
            registry,
            tmp_path / "model",
            "cpu",
        )
    assert error.value.code == code


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"windows": "mean"}, "windows of 9 tokens that share 3"),
        ({"truncation": "head+tail"}, "only both ends are read"),
        ({}, "cut after 9 tokens"),
    ],
    ids=str,
)
def test_the_card_says_how_long_texts_are_read(
    changes: Any, says: str, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cell = toy_cell("probe", task="toy-long", recipe=replace(RECIPE, **LONG, **changes))
    export(cell, Registry(PLUGINS, Sources(cache=tmp_path / "cache")), tmp_path / "model", "cpu")
    card = (tmp_path / "model" / "README.md").read_text()
    assert says in card
    assert ("It also works as" in card) == (not changes)
