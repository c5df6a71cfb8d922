"""Checkpoints as people save them give the features that transformers gives, or are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import BenchError, Cell
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.models import catalog
from bench.models.loading import load
from bench.models.pooling import own_pooling, prompt_of
from tests.support.checkpoints import LOADED, REFUSED, Way

ROWS = 12


def reference(name: str, texts: list[str], pooling: str, length: int) -> np.ndarray:
    """Pooled vectors of texts, one at a time, by transformers alone, in fp32."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = catalog.transformer_folder(name)
    tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="right")
    config = AutoConfig.from_pretrained(folder)
    config._attn_implementation, config.output_hidden_states, config.output_attentions = "eager", False, False
    config.return_dict, config.chunk_size_feed_forward = True, 0
    if config.pad_token_id not in (None, *range(100)):
        config.pad_token_id = None
    model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, use_safetensors=True).eval()
    model = model.get_encoder() if getattr(model, "decoder", None) is not None else model
    found = []
    for text in texts:
        given = tokenizer(prompt_of(name) + text, truncation=True, max_length=length, return_tensors="pt")
        keys = ("input_ids", "attention_mask", "token_type_ids")
        segments = getattr(model.config, "type_vocab_size", 0) > 1 or model.config.model_type == "xlnet"
        with torch.no_grad():
            hidden = model(**{k: v for k, v in given.items() if k in keys[: 2 + segments]}).last_hidden_state[
                0
            ]
        found.append({"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling].numpy())
    return np.stack(found)


@pytest.fixture
def cell_of(toy_cell: Callable[..., Cell]) -> Callable[[Path, str], Cell]:
    def made(name: Path | str, strategy: str) -> Cell:
        cell = toy_cell(strategy, backbone=str(name))
        recipe = replace(
            cell.recipe, pooling=own_pooling(str(name)).kind, train=ROWS, validation=6, test=6, epochs=1
        )
        return replace(cell, recipe=recipe)

    return made


@pytest.mark.filterwarnings("ignore:.*rope.*")
@pytest.mark.parametrize("way", LOADED.values(), ids=LOADED)
def test_its_features_are_those_of_transformers(
    way: Way, cell_of: Any, toy_context: RunContext, tmp_path: Path
) -> None:
    name = way(tmp_path / "checkpoint")
    cell = cell_of(name, "frozen")
    group = prepare_group(cell, toy_context)
    end = group.given.depth + 1
    group.prefix.fill("train", (end,))
    found = group.prefix.features("train", end)
    assert found is not None
    texts = [row.text for row in group.rows.train]
    wanted = reference(str(name), texts, cell.recipe.pooling, cell.recipe.max_length)
    assert np.abs(wanted).max() > 0.01
    assert np.abs(found.numpy() - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("strategy", ["frozen", "full", "lora"])
@pytest.mark.parametrize("way", LOADED.values(), ids=LOADED)
def test_it_can_be_trained(
    way: Way, strategy: str, cell_of: Any, toy_context: RunContext, tmp_path: Path
) -> None:
    cell = cell_of(way(tmp_path / "checkpoint"), strategy)
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert record.status == "done"
    assert all(np.isfinite(point.loss) for point in record.curve)


@pytest.mark.parametrize(("way", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_in_one_line(
    way: Way, code: str, words: str, toy_context: RunContext, tmp_path: Path
) -> None:
    name = str(way(tmp_path / "checkpoint"))
    with pytest.raises(BenchError) as error:
        load(name, toy_context.registry.sources)
    assert error.value.code == code, str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
