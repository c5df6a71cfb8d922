"""The card of an exported model: the scores that are the model's, its limits, its licences, and what made it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.contracts import Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.export.folder import export
from bench.export.scores import Request
from bench.models.catalog import BACKBONES, kind_of
from bench.models.licences import KNOWN, licence_of
from bench.recommend.views import Everything
from bench.registry import Plugins, Registry, discover

RECIPE = Recipe(epochs=2, batch_size=8, max_length=32, stride=8, pooling="cls", rate_scale=3)


def card_of(cell: Cell, plugins: Plugins, folder: Path, request: Request) -> str:
    export(cell, Registry(plugins, Sources(cache=folder / "cache")), folder / "model", "cpu", request)
    return (folder / "model" / "README.md").read_text()


def test_a_card_has_the_score_that_the_harness_measures_and_what_was_typed(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    cell = toy_cell("full", recipe=RECIPE)
    request = Request(command="python -m bench export model/", compared="| strategy | compared |")
    card = card_of(cell, plugins, tmp_path, request)
    registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
    context = RunContext(registry, Device(torch.device("cpu"), torch.float32))
    record, _ = run_cell(cell, prepare_group(cell, context), context, lambda _: None)
    scores = card.split("## Scores")[1].split("## Limits")[0]
    for metric in record.metrics:
        assert f"| {metric.name} | {100 * record.scores['test'][metric.name]:.1f} |" in scores
    (low, high) = re.findall(rf"{record.headline} \| [\d.]+ \| ([\d.]+) to ([\d.]+)", scores)[0]
    assert float(low) < 100 * record.scores["test"][record.headline] < float(high)
    assert "| strategy | compared |" in scores
    assert "python -m bench export model/" in card.split("## Training")[1]


def test_a_model_that_learnt_from_its_test_rows_shows_no_score_of_its_own(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    view = Everything("toy-sentiment", True)
    cell = replace(toy_cell("probe", recipe=RECIPE), task=view.name)
    card = card_of(cell, discover([toy_plugin, view]), tmp_path, Request())
    assert "This very model has no score" in card
    assert "did not learn from" not in card
    assert "Made by" not in card


def test_the_card_names_labels_with_few_rows(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    few = card_of(toy_cell("probe", recipe=replace(RECIPE, shots=3)), plugins, tmp_path, Request())
    assert "Fewer than 5 training rows" in few.split("## Limits")[1].split("## Data")[0]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\ntags:\n- x\nlicense: apache-2.0\n---\n# A model\n", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("# A model\nlicense: mit\n", ""),
        ("---\nlicense: other\n", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_licence_of_a_folder_is_what_its_own_card_states(
    text: str | None, licence: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert licence_of(str(tmp_path)) == licence


def test_an_export_names_no_folder_of_the_machine_that_made_it(
    tiny_encoder: Path, toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    card = card_of(toy_cell("probe", recipe=RECIPE), plugins, tmp_path, Request())
    assert f"Encoder: the licence of `{tiny_encoder.name}`, which is not stated in its folder." in card
    assert f"strategy `probe` on `{tiny_encoder.name}`" in card
    for path in (tmp_path / "model").iterdir():
        for folder in (tiny_encoder, tmp_path):
            assert str(folder).encode() not in path.read_bytes(), path.name


def test_the_licences_of_built_in_encoders_are_known() -> None:
    assert set(KNOWN) == {name for name in BACKBONES if kind_of(name) == "encoder"}
    assert all(licence_of(name) for name in KNOWN)
