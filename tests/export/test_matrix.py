"""Every family with every kind of task: a model is refused before anything is trained, or its folder predicts what
was measured. Noise takes the place of training here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import build
from bench.engine.prediction import predict
from bench.export import folder as exporting
from bench.export.folder import export
from bench.models.families import families
from bench.registry import Registry, discover
from tests.support.checkpoints import plain

SUPPORT = Path(__file__).parents[1] / "support"
TASKS = ("toy-sentiment", "toy-pairs", "toy-numbers", "toy-labels", "toy-ner", "toy-qa")
POOLINGS = {"encoder": ("mean", "cls", "last"), "decoder": ("mean", "last")}
"""By kind of family: to a decoder, the first tokens of all texts are alike."""

MATRIX = [
    (family.name, task, POOLINGS[family.kind][(row + column) % len(POOLINGS[family.kind])])
    for row, family in enumerate(families().values())
    for column, task in enumerate(TASKS)
]
"""All families with all tasks; poolings in turn, so that each occurs with every family and every task."""

NO_WORDS = ("gemma3_text", "modernbert", "modernbert-decoder", "xlnet", "longformer")
NO_QUESTIONS = (*NO_WORDS, "gemma", "gemma2", "t5", "mt5", "big_bird", "nomic_bert", "eurobert")
REFUSED = {(family, "toy-ner") for family in NO_WORDS} | {(family, "toy-qa") for family in NO_QUESTIONS}
"""No standard class computes a linear map of every token there."""


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a small random model of a family and its tokenizer."""
    return cache(lambda family: plain(tmp_path_factory.mktemp("families") / family, family))


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the harness predicted of each model that was exported. Instead of training, every parameter moves at
    random, and the head so that predictions differ."""
    found: list[Any] = []

    def untrained(cell: Cell, scale: float, group: Any, context: Any, watch: Any) -> Any:
        model, plan = build(cell, group, context)
        last: Any = model.head.map[-1]
        with torch.no_grad():
            for parameter in model.backbone.named_parameters().values():
                parameter += 0.01 * torch.randn_like(parameter)
            last.weight.normal_()
            whole = replace(plan.phases[-1], frozen=0)
            logits, _ = predict(replace(model, prefix=None), "test", group.splits["test"], whole)
            last.bias -= torch.from_numpy(logits).mean(0)
        return SimpleNamespace(model=model, plan=plan)

    def noted(folder: Path, group: Any, expected: Any, check: Any = exporting._check) -> None:
        found.append(expected.answers)
        check(folder, group, expected)

    monkeypatch.setattr(exporting, "train", untrained)
    monkeypatch.setattr(exporting, "own_scores", lambda *_: "")
    monkeypatch.setattr(exporting, "_check", noted)
    return found


@pytest.fixture(scope="module")
def registry(toy_plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    plugins = discover([toy_plugin, SUPPORT / "toy_texts.py"])
    return Registry(plugins, Sources(cache=tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize(("family", "task", "pooling"), MATRIX)
def test_a_model_is_refused_at_once_or_predicts_what_was_measured(
    family: str,
    task: str,
    pooling: Any,
    folder_of: Callable[[str], Path],
    predicted: list[Any],
    registry: Registry,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    recipe = Recipe(batch_size=8, max_length=48, stride=8, train=12, validation=4, test=8, pooling=pooling)
    if task == "toy-numbers":
        recipe = replace(recipe, layers=2)
    if task == "toy-labels" and families()[family].kind == "decoder":
        recipe = replace(recipe, attention="bidirectional")
    cell = Cell("toy", task, "full", str(folder_of(family)), 0, recipe)
    if (family, task) in REFUSED:
        with pytest.raises(BenchError) as error:
            export(cell, registry, tmp_path / "out", "cpu")
        assert error.value.code == "export-no-form"
        assert not predicted
        return
    assert export(cell, registry, tmp_path / "out", "cpu").checked == len(predicted[0])
    assert len({str(answer) for answer in predicted[0]}) > 1
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (name,) = config["architectures"]
    assert ("For" in name) == (not (tmp_path / "out" / "modules.json").exists())
