"""Inserted modules start as the identity, have names that a strategy can match, and low-rank updates merge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.contracts import BenchError
from bench.models.backbone import Backbone
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.inserted import LINEAR
from bench.models.vector_backbone import StaticVectors
from strategies.adapter import Adapter
from strategies.lora import LoRA
from strategies.rslora import RsLoRA
from tests.models.test_backbones import DEPTH, EVERY, encoder_of, inputs, real

INSERTIONS: dict[str, Callable[[Backbone], None]] = {"lora": LoRA().adapt, "adapter": Adapter().adapt}
BOTH = pytest.mark.parametrize("kind", list(INSERTIONS))


def output(encoder: Backbone) -> Tensor:
    tokens, mask = inputs()
    with torch.no_grad():
        return real(encoder.run(tokens, mask, None))


def stir(encoder: Backbone, part: str) -> None:
    """Random values for the parameters with `part` in their name, as if they had learnt."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters().items():
            if part in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


@EVERY
@BOTH
def test_the_encoder_gives_what_it_gave_until_they_learn(kind: str, family: str) -> None:
    encoder = encoder_of(family)
    before = output(encoder)
    INSERTIONS[kind](encoder)
    assert torch.equal(output(encoder), before)


@EVERY
@BOTH
def test_every_layer_gets_some_and_the_embeddings_none(kind: str, family: str) -> None:
    encoder = encoder_of(family)
    INSERTIONS[kind](encoder)
    new = {name for name in encoder.named_parameters() if ".lora_" in name or ".adapter." in name}
    assert encoder.blocks_of(new) == set(range(1, DEPTH + 1))


@EVERY
def test_a_layer_gets_an_adapter_after_each_sublayer(family: str) -> None:
    encoder = encoder_of(family)
    encoder.insert_adapters(8)
    first = [
        name for name in encoder.named_parameters() if name.startswith("layers.0.") and ".adapter." in name
    ]
    assert len(first) == 4 * len(encoder.family.outputs)


@EVERY
def test_every_linear_map_of_a_layer_gets_an_update(family: str) -> None:
    encoder = encoder_of(family)
    (layer,) = encoder.modules_of(1)
    maps = [n for n, part in layer.named_modules() if isinstance(part, LINEAR) and not n.endswith("_global")]
    encoder.insert_lora(4, 8)
    updates = [
        name for name in encoder.named_parameters() if name.startswith("layers.0.") and ".lora_A." in name
    ]
    assert len(updates) == len(maps)


@EVERY
@pytest.mark.parametrize(("rank", "alpha"), [(4, 8), (8, 2), (2, 32)])
def test_an_updated_map_is_its_weight_plus_the_scaled_product(family: str, rank: int, alpha: int) -> None:
    """Every linear map of every layer computes W x + alpha / rank B A x (Hu et al. 2022, section 4.1)."""
    encoder = encoder_of(family)
    LoRA(rank=rank, alpha=alpha).adapt(encoder)
    stir(encoder, ".lora_")
    maps: list[Any] = [
        part
        for block in range(1, DEPTH + 1)
        for layer in encoder.modules_of(block)
        for name, part in layer.named_modules()
        if hasattr(part, "lora_A") and not name.endswith("_global")
    ]
    assert len(maps) >= 2 * DEPTH
    for part in maps:
        base, first, second = part.base_layer, part.lora_A["default"].weight, part.lora_B["default"].weight
        assert (first.shape[0], second.shape[1]) == (rank, rank)
        inputs_ = torch.randn(3, first.shape[1], generator=torch.Generator().manual_seed(4))
        with torch.no_grad():
            expected = base(inputs_) + alpha / rank * (inputs_ @ first.T @ second.T)
            assert torch.allclose(part(inputs_), expected, atol=1e-5)
            assert not torch.allclose(part(inputs_), base(inputs_), atol=1e-3)


@pytest.mark.parametrize("alpha", [2, 16])
def test_rank_stabilised_updates_are_scaled_by_the_root_of_the_rank(alpha: int) -> None:
    encoder = encoder_of("bert")
    RsLoRA(settings=(("lora_alpha", alpha),)).adapt(encoder)
    stir(encoder, ".lora_")
    (layer,) = encoder.modules_of(1)
    part: Any = next(part for part in layer.modules() if hasattr(part, "lora_A"))
    first, second = part.lora_A["default"].weight, part.lora_B["default"].weight
    vectors = torch.randn(3, first.shape[1], generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        update = part(vectors) - part.base_layer(vectors)
        assert torch.allclose(update, alpha / math.sqrt(8) * (vectors @ first.T @ second.T), atol=1e-5)


@EVERY
def test_prefix_and_suffix_are_still_the_whole(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    encoder.run(torch.zeros(4, 12, 32), mask, None, 2)  # a view of the encoder as it was
    encoder.insert_lora(4, 8)
    stir(encoder, ".lora_")
    with torch.no_grad():
        hidden = encoder.run(tokens, mask, None, 0, 2)
        assert torch.allclose(real(encoder.run(hidden, mask, None, 2)), output(encoder), atol=1e-6)


@EVERY
def test_merged_updates_are_the_same_function_in_the_old_shape(family: str) -> None:
    encoder = encoder_of(family)
    shape = list(encoder.named_parameters())
    before = output(encoder)
    encoder.insert_lora(4, 8)
    stir(encoder, ".lora_")
    learnt = output(encoder)
    encoder.merge()
    assert list(encoder.named_parameters()) == shape
    assert torch.allclose(output(encoder), learnt, atol=1e-4)
    assert not torch.allclose(learnt, before, atol=1e-2)


def test_adapters_cannot_be_merged() -> None:
    encoder = encoder_of("bert")
    encoder.insert_adapters(8)
    with pytest.raises(BenchError) as error:
        encoder.merge()
    assert error.value.code == "not-linear"


@pytest.mark.parametrize("insert", [LoRA().adapt, Adapter().adapt])
def test_word_vectors_say_that_nothing_can_be_inserted(insert: Callable[[Any], None]) -> None:
    with pytest.raises(BenchError) as error:
        insert(StaticVectors(torch.zeros(3, 2)))
    assert error.value.code == "no-layers"


def test_a_copy_has_its_own_insertions() -> None:
    encoder = encoder_of("bert")
    twin = encoder.copy()
    assert isinstance(twin, HuggingFaceEncoder)
    twin.insert_lora(4, 8)
    stir(twin, ".lora_")
    assert torch.equal(output(encoder), output(encoder_of("bert")))
