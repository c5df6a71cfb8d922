"""Pooling is a property of the backbone: what it says itself, what is known of it, or a stated default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.sources import Sources
from bench.models import catalog
from bench.models.pooling import own_pooling
from bench.registry import discover
from bench.suite import cells, validate


def sentence_encoder(folder: Path, config: dict[str, Any], path: str = "1_Pooling") -> str:
    """A folder as sentence-transformers writes it, without weights."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": path, "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("config", "kind", "why"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls", "its own"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean", "its own"),
        ({"pooling_mode": "cls", "embedding_dimension": 4}, "cls", "its own"),
        ({"pooling_mode": ["cls", "max"]}, "mean", "cls and max, is not available"),
        ({"pooling_mode_max_tokens": True}, "mean", "max, is not available"),
        ({}, "mean", "default"),
    ],
)
def test_a_sentence_encoder_pools_as_it_says(
    config: dict[str, Any], kind: str, why: str, tmp_path: Path
) -> None:
    found = own_pooling(sentence_encoder(tmp_path / "encoder", config))
    assert found.kind == kind
    assert why in found.why


def test_a_pooling_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    name = sentence_encoder(tmp_path / "encoder", {"pooling_mode": "mean"}, "../other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert own_pooling(name).kind == "mean"


def test_the_known_and_the_unknown(tiny_encoder: Path) -> None:
    assert own_pooling("minilm").kind == "mean"
    assert own_pooling("glove").kind == "mean"
    assert "default" in own_pooling(str(tiny_encoder)).why


def test_a_suite_may_pool_as_each_backbone_was_made_to(tmp_path: Path) -> None:
    first = sentence_encoder(tmp_path / "a", {"pooling_mode": "cls"})
    values = {
        "tasks": {"movie-sentiment": {}},
        "recipe": {"pooling": "own"},
        "grid": [{"strategies": ["frozen"], "backbones": [first, "minilm"]}],
    }
    found = cells(validate(values, "test"), discover())
    assert {cell.backbone: cell.recipe.pooling for cell in found} == {first: "cls", "minilm": "mean"}


def test_an_encoder_has_positions_for_so_many_tokens(tiny_encoder: Path, tmp_path: Path) -> None:
    assert catalog.positions(str(tiny_encoder), Sources()) == 64
    for family, most in (("roberta", 512), ("modernbert", None)):
        (tmp_path / family).mkdir()
        config = {"model_type": family, "max_position_embeddings": 514, "num_hidden_layers": 2}
        (tmp_path / family / "config.json").write_text(json.dumps(config))
        (tmp_path / family / "model.safetensors").write_bytes(b"")
        assert catalog.positions(str(tmp_path / family), Sources()) == most


def test_a_folder_is_an_encoder_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "best.model").mkdir()
    assert catalog.kind_of(str(tmp_path / "best.model")) == "encoder"
    assert catalog.kind_of(str(tmp_path / "other.model")) == "vectors"
