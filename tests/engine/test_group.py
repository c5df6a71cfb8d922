"""What the cells of a group share: how its encoder is set up, which rows it has, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Recipe, Splits
from bench.data.sources import Sources
from bench.engine import group as grouping
from bench.engine.activation_store import ActivationStore
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, EncoderSetup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.memory import Budget, Memory
from bench.engine.speeds import Speeds
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.loading import Loaded, load
from bench.models.vector_backbone import StaticVectors
from bench.registry import Registry, discover
from tests.conftest import save_tiny_encoder, word_piece_tokenizer
from tests.engine.test_cold_seconds import Scripted
from tests.engine.test_language_loss import checkpoint
from tests.support import toy_texts
from tests.support.families import VOCABULARY, small_model
from tests.support.toy_tasks import ToySentiment

MakeCell = Callable[..., Cell]
DEPTH = 4


# --------------------------------------------------------------------------------------------------
# The encoder


@pytest.mark.parametrize(("features", "joined"), [("last", 1), ("last-4", 4), ("mix", DEPTH + 1)])
def test_the_head_reads_as_many_blocks_as_the_recipe_says(
    features: Any, joined: int, toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    group = prepare_group(toy_cell("frozen", recipe=replace(toy_recipe, features=features)), toy_context)
    assert group.given.joined == joined
    assert group.given.output_width == joined * group.given.width


def applied(family: str, **changes: Any) -> HuggingFaceEncoder:
    """A small encoder after this set-up."""
    usual = EncoderSetup(np.arange(VOCABULARY), "sdpa", None, None, 1, torch.device("cpu"))
    encoder = HuggingFaceEncoder(small_model(family), family)
    replace(usual, **changes).apply(encoder)
    return encoder


@pytest.mark.parametrize("attention", ["plain", "sdpa"])
def test_the_encoder_computes_attention_as_the_group_says(attention: str) -> None:
    assert applied("bert", attention=attention).attention == attention


@pytest.mark.parametrize(
    ("family", "changes", "runs"),
    [
        ("bert", {}, ["plain", "sdpa"]),
        ("t5", {}, ["eager", "eager"]),  # its scores have a term for positions
        ("llama", {"num_key_value_heads": 1}, ["eager", "sdpa"]),
    ],
)
def test_an_encoder_knows_the_attention_that_it_runs(
    family: str, changes: dict[str, int], runs: list[str]
) -> None:
    """The library's own where the one that is asked for would leave something out."""
    encoder, found = HuggingFaceEncoder(small_model(family, **changes), family), []
    for name in ("plain", "sdpa"):
        encoder.use_attention(name)
        found.append(encoder.attention)
    assert found == runs
    assert StaticVectors(torch.randn(3, 2)).attention == ""


def test_a_record_names_the_attention_that_ran(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Speeds, "attention", lambda self, length: "plain")
    monkeypatch.setattr(HuggingFaceEncoder, "_fitting", lambda self, name: "eager")
    cell = toy_cell("frozen")
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda _: None)
    assert record.attention == "eager"


@pytest.mark.parametrize("both_ways", [False, True])
def test_a_decoder_sees_later_tokens_where_the_recipe_asks_for_it(both_ways: bool) -> None:
    encoder = applied("llama", both_ways=both_ways)
    tokens = torch.tensor([[4, 5, 6], [4, 5, 7]])
    with torch.no_grad():
        first, second = encoder.run(tokens, torch.ones_like(tokens), None)[:, 0]
    assert torch.allclose(first, second, atol=1e-6) is not both_ways


@pytest.mark.parametrize(
    ("task", "pairs"), [("toy-pairs", True), ("toy-sentiment", False), ("toy-qa", False)]
)
def test_pairs_are_two_texts_of_a_head_that_pools(
    task: str, pairs: bool, toy_cell: MakeCell, toy_context: RunContext, toy_plugin: Path
) -> None:
    """A question and its context are two texts, and each token of them is read by itself."""
    plugins = discover([toy_plugin, Path(toy_texts.__file__)])
    context = replace(toy_context, registry=Registry(plugins, toy_context.registry.sources))
    assert prepare_group(toy_cell("frozen", task), context).setup.pairs is pairs


@pytest.mark.parametrize("name", ["[PAD]", "[MASK]"])
def test_batches_are_padded_with_the_tokenizers_own_token(
    name: str, toy_cell: MakeCell, toy_context: RunContext, tmp_path: Path
) -> None:
    folder = save_tiny_encoder(tmp_path / "encoder")
    tokenizer = word_piece_tokenizer()
    tokenizer.pad_token = name
    tokenizer.save_pretrained(folder)
    group = prepare_group(toy_cell("frozen", backbone=str(folder)), toy_context)
    batch = group.splits["train"].batch(np.arange(len(group.splits["train"])))
    (padding,) = batch.tokens[batch.mask == 0].unique().tolist()
    whole = load(str(folder), toy_context.registry.sources).backbone.table.weight
    token = tokenizer.convert_tokens_to_ids(name)
    assert torch.equal(group.given.table.weight[padding], whole[token])


def test_special_tokens_of_masked_words_are_all_of_the_tokenizers(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """The first row of the trimmed table among them."""
    group = prepare_group(toy_cell("tapt"), toy_context)
    loaded = load(toy_cell().backbone, toy_context.registry.sources)
    special = loaded.backbone.table.weight[loaded.tokenizer.all_special_ids]
    rows = group.given.table.weight
    expected = {place for place, row in enumerate(rows) if (row == special).all(1).any()}
    assert set(group.words.special) == expected
    assert 0 in expected
    assert len(expected) > 2


def test_word_vectors_have_no_norm_that_blocks_are_chosen_by(
    toy_cell: MakeCell, toy_context: RunContext
) -> None:
    pytest.importorskip("gensim")
    assert prepare_group(toy_cell("frozen", backbone="word2vec:task"), toy_context).table_norm == 0


# --------------------------------------------------------------------------------------------------
# Rows and text


class Shifted(ToySentiment):
    name = "shifted"
    summary = "Sentences, and others from elsewhere"

    def splits(self, sources: Sources) -> Splits:
        found = super().splits(sources)
        return replace(found, shift={"elsewhere": [replace(row, id=f"e{row.id}") for row in found.test]})


@pytest.mark.parametrize("asked", [False, True])
def test_other_domains_are_scored_where_the_recipe_asks_for_them(
    asked: bool,
    toy_cell: MakeCell,
    toy_recipe: Recipe,
    toy_context: RunContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.tasks, "shifted", Shifted)
    cell = toy_cell("frozen", "shifted", recipe=replace(toy_recipe, shift=asked))
    group = prepare_group(cell, toy_context)
    record, tests = run_cell(cell, group, toy_context, lambda point: None)
    names = {"test", "elsewhere"} if asked else {"test"}
    assert set(record.scores) == set(tests) == names
    assert set(group.splits) == {"train", "validation", *names}


def test_unlabelled_text_is_cut_to_the_positions_of_the_encoder(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext, tmp_path: Path
) -> None:
    path = tmp_path / "domain.txt"
    path.write_text("emma saw a room " * 60)
    recipe = replace(toy_recipe, max_length=100, unlabelled=str(path))
    split = prepare_group(toy_cell("tapt", recipe=recipe), toy_context).read_by("masked-lm")
    assert max(split.lengths) == 64


# --------------------------------------------------------------------------------------------------
# Seconds, and what is kept


def test_a_group_costs_what_it_would_without_what_others_loaded(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the clock stands still, and loading spared seven seconds."""

    def spared(*given: Any) -> Loaded:
        return replace(load(*given), spared=7.0)

    monkeypatch.setattr(grouping, "load", spared)
    monkeypatch.setattr(Speeds, "attention", lambda self, length: "plain")
    context = replace(toy_context, device=Scripted(torch.device("cpu"), torch.float32))
    assert prepare_group(toy_cell(), context).seconds == 7


def test_the_cache_is_shared_by_the_boundaries_of_all_splits(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What enters each of five blocks and what leaves the last, of three splits."""
    asked: list[int] = []

    def noted(memory: Memory, device: Device, parts: int, folder: Path) -> Budget:
        asked.append(parts)
        return Budget({"memory": 1e9})

    monkeypatch.setattr(grouping, "cache_budget", noted)
    prepare_group(toy_cell(), toy_context)
    assert asked == [3 * (DEPTH + 2)]


def content(group: CellGroup) -> str:
    return group.prefix._storage.content


def test_activations_are_kept_under_the_weights_that_gave_them(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext, tmp_path: Path
) -> None:
    context = replace(toy_context, activations=ActivationStore(tmp_path / "kept", 10**6))
    other = save_tiny_encoder(tmp_path / "other", positions=40)
    low = replace(context, device=Device(torch.device("cpu"), torch.bfloat16))
    first, *others = [
        content(prepare_group(cell, each))
        for cell, each in (
            (toy_cell("full"), context),
            (toy_cell("frozen", seed=1), context),
            (toy_cell("frozen", backbone=str(other)), context),
            (toy_cell("frozen", recipe=replace(toy_recipe, features="mix")), context),
            (toy_cell("full"), low),
        )
    ]
    assert first == others[0] != ""
    assert len({first, *others[1:]}) == 4
    assert content(prepare_group(toy_cell(), toy_context)) == ""


def test_a_decoder_that_sees_later_tokens_has_activations_of_its_own(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext, tmp_path: Path
) -> None:
    checkpoint("llama", "", tmp_path / "llama")
    context = replace(toy_context, activations=ActivationStore(tmp_path / "kept", 10**6))
    found = {
        content(prepare_group(toy_cell("frozen", backbone=str(tmp_path / "llama"), recipe=recipe), context))
        for recipe in (toy_recipe, replace(toy_recipe, attention="bidirectional"))
    }
    assert len(found) == 2
