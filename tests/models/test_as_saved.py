"""Checkpoints as people save them give the features that transformers gives, or are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from bench.contracts import BenchError, Cell
from bench.data.cache import notices_to
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.models import catalog
from bench.models.loading import load
from bench.models.pooling import own_pooling, prompt_of
from tests.support.checkpoints import LOADED, REFUSED, Way, as_in_the_cache, cast, plain, sentences

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
def test_it_gives_the_features_of_transformers_and_learns(
    way: Way, cell_of: Any, toy_context: RunContext, tmp_path: Path
) -> None:
    name = way(tmp_path / "checkpoint")
    cell = cell_of(name, "frozen")
    group = prepare_group(cell, toy_context)
    assert catalog.depth(str(name), toy_context.registry.sources) == group.given.depth
    assert catalog.shape(str(name), tmp_path).width == group.given.width
    end = group.given.depth + 1
    group.prefix.fill("train", (end,))
    found = group.prefix.features("train", end)
    assert found is not None
    texts = [row.text for row in group.rows.train]
    wanted = reference(str(name), texts, cell.recipe.pooling, cell.recipe.max_length)
    assert np.abs(wanted).max() > 0.01
    assert np.abs(found.numpy() - wanted).max() < 1e-5 * np.abs(wanted).max()
    for strategy in ("frozen", "full", "lora"):
        record, _ = run_cell(replace(cell, strategy=strategy), group, toy_context, lambda point: None)
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


def test_a_revision_is_read_from_the_cache_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_context: RunContext
) -> None:
    snapshot = as_in_the_cache(tmp_path)
    other = snapshot.with_name("f" * 40)
    cast(other, "bert", torch.bfloat16)
    (snapshot.parents[1] / "refs" / "v2").write_text(other.name)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    sources = toy_context.registry.sources
    found = {name: load(name, sources).backbone.content() for name in ("someone/tiny", "someone/tiny@v2")}
    assert found["someone/tiny"] == load(str(snapshot), sources).backbone.content()
    assert found["someone/tiny@v2"] == load(str(other), sources).backbone.content()
    assert len(set(found.values())) == 2
    with pytest.raises(BenchError) as error:
        load("someone/tiny@v3", sources)
    assert error.value.code in ("no-revision", "hub-unreachable")


def test_a_sentence_encoder_reads_lower_case_where_it_says_so(
    tmp_path: Path, toy_context: RunContext
) -> None:
    names = [str(sentences(tmp_path / str(lower), "roberta", lower=lower)) for lower in (False, True)]
    plain, lowered = (load(name, toy_context.registry.sources).text_tokenizer for name in names)
    assert plain("In Rome")["input_ids"] != plain("in rome")["input_ids"]
    assert lowered("In Rome")["input_ids"] == plain("in rome")["input_ids"]


def test_a_prompt_is_part_of_the_identity(tmp_path: Path) -> None:
    prompts = {"query": "see: "}
    names = [str(sentences(tmp_path / str(on), prompts=prompts, default=on)) for on in (None, "query")]
    first, second = map(catalog.identity, names)
    assert first != second
    assert first == catalog.identity(str(plain(tmp_path / "plain")))


def test_reading_lower_case_is_part_of_the_identity(tmp_path: Path) -> None:
    names = [str(sentences(tmp_path / str(lower), lower=lower)) for lower in (False, True)]
    first, second = map(catalog.identity, names)
    assert first != second
    assert first == catalog.identity(str(plain(tmp_path / "plain")))


def test_modules_after_the_pooling_are_left_out_with_a_notice(
    tmp_path: Path, toy_context: RunContext
) -> None:
    said: list[str] = []
    with notices_to(said.append):
        load(str(sentences(tmp_path / "with", dense=True)), toy_context.registry.sources)
        load(str(sentences(tmp_path / "without")), toy_context.registry.sources)
    (line,) = said
    assert "(Dense) is left out" in line
