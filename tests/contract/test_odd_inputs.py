"""Every strategy on encoders and rows at the edge of what there is: a record that is sound, or one clear line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.contracts import BenchError, Cell, Recipe, Splits
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.registry import Plugins, Registry, discover
from tasks.classification import Classification
from tests.conftest import word_piece_tokenizer
from tests.support.toy_tasks import ToySentiment

STRATEGIES = sorted(name for name, cls in discover().strategies.items() if not cls.needs)
EVERY = pytest.mark.parametrize("name", STRATEGIES)
MakeCell = Callable[..., Cell]


def outcome(cell: Cell, context: RunContext) -> str:
    """Why the strategy does not fit, in one line; '' where the cell gives a sound record."""
    reason = context.registry.incompatible(cell)
    if not reason:
        try:
            record, _ = run_cell(cell, prepare_group(cell, context), context, lambda point: None)
        except BenchError as error:
            reason = str(error)
        else:
            assert record.status == "done"
            assert all(math.isfinite(point.loss) for point in record.curve)
            assert 0 < record.trainable <= record.parameters
            assert record.seconds.cold > 0
    assert "\n" not in reason
    return reason


def save(model: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    word_piece_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def one_layer(tmp_path_factory: pytest.TempPathFactory) -> str:
    from transformers import BertConfig, BertModel

    sizes: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(word_piece_tokenizer()), num_hidden_layers=1, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return save(BertModel(config), tmp_path_factory.mktemp("one-layer"))


@pytest.fixture(scope="module")
def shared_layers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An ALBERT: three runs of one layer."""
    from transformers import AlbertConfig, AlbertModel

    sizes: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    config = AlbertConfig(
        vocab_size=len(word_piece_tokenizer()),
        embedding_size=16,
        num_hidden_layers=3,
        pad_token_id=0,
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return save(AlbertModel(config), tmp_path_factory.mktemp("shared-layers"))


NEED_TWO = {"top-layers", "gradual"}
"""By default they use two layers, or more stages than one layer gives."""


@EVERY
@pytest.mark.parametrize("encoder", ["one_layer", "shared_layers"])
def test_an_encoder_of_one_layer(
    name: str, encoder: str, toy_cell: MakeCell, toy_context: RunContext, request: pytest.FixtureRequest
) -> None:
    cell = toy_cell(name, backbone=request.getfixturevalue(encoder))
    reason = outcome(cell, toy_context)
    assert bool(reason) == (name in NEED_TWO), reason
    assert not reason or "must be between" in reason


@pytest.mark.parametrize(("name", "option"), [("top-layers", ("layers", 1)), ("gradual", ("stages", 2))])
def test_one_layer_is_enough_where_the_option_says_so(
    name: str, option: tuple[str, int], one_layer: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    assert outcome(toy_cell(name, backbone=one_layer, options=(option,)), toy_context) == ""


@EVERY
def test_fewer_rows_than_a_batch_and_phases_of_less_than_a_step(
    name: str, toy_cell: MakeCell, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    recipe = replace(toy_recipe, train=4, epochs=0.25, batch_size=16)
    assert outcome(toy_cell(name, recipe=recipe), toy_context) == ""


@EVERY
def test_one_shot(name: str, toy_cell: MakeCell, toy_context: RunContext, toy_recipe: Recipe) -> None:
    assert outcome(toy_cell(name, recipe=replace(toy_recipe, shots=1)), toy_context) == ""


class OneClass(Classification):
    name = "one-class"
    summary = "positive sentences alone"

    def splits(self, sources: Sources) -> Splits:
        found = ToySentiment().splits(sources)
        parts = [
            [row for row in part if row.label == "positive"]
            for part in (found.train, found.validation, found.test)
        ]
        return Splits(*parts)


@EVERY
def test_one_class(name: str, toy_cell: MakeCell, toy_context: RunContext) -> None:
    plugins = toy_context.registry.plugins
    registry = Registry(
        Plugins(plugins.strategies, {**plugins.tasks, "one-class": OneClass}), toy_context.registry.sources
    )
    reason = outcome(toy_cell(name, task="one-class"), replace(toy_context, registry=registry))
    assert ("at least two labels" in reason) == (name == "setfit"), reason
    assert bool(reason) == (name == "setfit"), reason


@EVERY
def test_word_vectors(name: str, toy_cell: MakeCell, toy_context: RunContext) -> None:
    pytest.importorskip("gensim")
    reason = outcome(toy_cell(name, backbone="word2vec:task"), toy_context)
    assert not reason or "word vectors" in reason or "must be between" in reason, reason
    if name in ("frozen", "probe", "full", "lp-ft", "scratch"):
        assert reason == ""
