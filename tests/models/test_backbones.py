"""An encoder cut into blocks is the encoder: in its activations, its gradients and its training."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.contracts import BenchError, block_of
from bench.models.families import families
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.vector_backbone import StaticVectors
from tests.support.families import DEPTH, PAD, WIDTH, small_model

EVERY = pytest.mark.parametrize("family", list(families()))


def model_of(family: str) -> Any:
    return small_model(family)


def encoder_of(family: str) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(model_of(family), family)


@cache
def inputs() -> tuple[Tensor, Tensor]:
    """Token ids and mask of four sequences of unequal length; few of the vocabulary's tokens occur."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([12, 9, 5, 1])
    mask = (torch.arange(12) < lengths[:, None]).long()
    tokens = torch.randint(2, 30, (4, 12), generator=generator) * 3 - 1
    return torch.where(mask.bool(), tokens, PAD), mask


def real(hidden: Tensor) -> Tensor:
    """The activations of real tokens alone."""
    return hidden[inputs()[1].bool()]


@EVERY
def test_the_whole_is_the_models_own_forward(family: str) -> None:
    tokens, mask = inputs()
    encoder, model = encoder_of(family), model_of(family)
    if encoder.family.part:
        model = model.get_encoder()
    with torch.no_grad():
        own = model(input_ids=tokens, attention_mask=mask).last_hidden_state
        assert torch.equal(real(encoder.run(tokens, mask, None)), real(own))


@EVERY
@pytest.mark.parametrize("count", range(1, DEPTH + 1))
def test_the_first_layers_alone_give_what_leaves_the_last_of_them(family: str, count: int) -> None:
    tokens, mask = inputs()
    encoder, cut = encoder_of(family), encoder_of(family)
    cut.keep_layers(count)
    with torch.no_grad():
        hidden = encoder.run(tokens, mask, None, 0, count + 1)
        if (
            encoder.family.final and count < DEPTH
        ):  # the norm after the last layer belongs to whichever is last
            hidden = encoder.model.get_submodule(encoder.family.final)(hidden)
        assert torch.allclose(real(cut.run(tokens, mask, None)), real(hidden), atol=1e-6)
    assert cut.depth == count
    assert cut.blocks_of(cut.named_parameters()) == set(range(count + 1))


@EVERY
@pytest.mark.parametrize("count", [2, 3, 99])
def test_joined_outputs_are_those_of_the_last_blocks_side_by_side(family: str, count: int) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    encoder.join(count)
    with torch.no_grad():
        outputs = [encoder.run(tokens, mask, None, 0, block + 1) for block in range(DEPTH + 1)][-count:]
        joined = encoder.encode(tokens, mask, None)
    assert joined.shape[-1] == encoder.output_width == WIDTH * len(outputs)
    assert torch.allclose(real(joined), real(torch.cat(outputs, -1)), atol=1e-6)


def test_more_layers_than_there_are_is_an_error() -> None:
    with pytest.raises(BenchError) as error:
        encoder_of("bert").keep_layers(DEPTH + 1)
    assert error.value.code == "too-many-layers"


@EVERY
def test_prefix_and_suffix_are_the_whole_at_every_boundary(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    assert encoder.depth == DEPTH
    with torch.no_grad():
        whole = encoder.run(tokens, mask, None)
        for boundary in range(DEPTH + 2):
            hidden = encoder.run(tokens, mask, None, 0, boundary)
            hidden = torch.where(mask[..., None].bool(), hidden, 0.0) if boundary else hidden
            assert torch.equal(real(encoder.run(hidden, mask, None, boundary)), real(whole)), boundary


@EVERY
def test_block_by_block_is_the_whole(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    with torch.no_grad():
        hidden = tokens
        for block in range(DEPTH + 1):
            hidden = encoder.run(hidden, mask, None, block, block + 1)
        assert torch.equal(real(hidden), real(encoder.run(tokens, mask, None)))


@EVERY
def test_a_boundary_holds_what_enters_the_layer(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    entered: list[Tensor] = []
    layers = encoder.model.get_submodule(encoder.family.layers)
    turned = encoder.family.sequence_first

    def note(layer: Any, given: Any) -> None:
        if layer not in seen:  # a shared layer runs several times
            seen.append(layer)
            entered.append((given[0].transpose(0, 1) if turned else given[0])[:, : tokens.shape[1]])

    seen: list[Any] = []
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    with torch.no_grad():
        encoder.model(input_ids=tokens, attention_mask=mask)
        for hook in hooks:
            hook.remove()
        for boundary, own in enumerate(entered, 1):
            assert torch.equal(real(encoder.run(tokens, mask, None, 0, boundary)), real(own)), boundary


@EVERY
def test_token_types_are_read_where_the_model_has_them(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    segments = (torch.arange(12) > 5).long() * mask
    with torch.no_grad():
        differs = not torch.equal(encoder.run(tokens, mask, segments), encoder.run(tokens, mask, None))
    reads = encoder.family.segments == "layers" or getattr(encoder.model.config, "type_vocab_size", 0) > 1
    assert differs == reads


@EVERY
def test_every_parameter_has_a_canonical_name(family: str) -> None:
    encoder = encoder_of(family)
    names = encoder.named_parameters()
    unread = [name for name, _ in encoder.model.named_parameters() if encoder._unread(name)]
    assert len(names) == len(list(encoder.model.parameters())) - len(unread)
    assert all(re.match(r"(embeddings|layers\.\d+)\.[\w.]+$", name) for name in names)
    assert {block_of(name) for name in names} == set(range(DEPTH + 1))
    table = rows_of(encoder)
    assert next(name for name, parameter in names.items() if parameter is table).startswith("embeddings.")


@EVERY
def test_a_blocks_parameters_are_what_its_gradient_reaches(family: str) -> None:
    """The names say which block a parameter is in; so does the gradient of a prefix."""
    tokens, mask = inputs()
    encoder = encoder_of(family)
    for stop in range(1, DEPTH + 2):
        encoder.model.zero_grad()
        real(encoder.run(tokens, mask, None, 0, stop)).pow(3).sum().backward()
        reached = {block_of(n) for n, p in encoder.named_parameters().items() if p.grad is not None}
        assert reached == set(range(stop))


@EVERY
def test_the_modules_of_the_blocks_hold_every_dropout(family: str) -> None:
    encoder = encoder_of(family)
    encoder.model.train()
    for block in range(DEPTH + 1):
        for module in encoder.modules_of(block):
            module.eval()
    active = [n for n, m in encoder.model.named_modules() if isinstance(m, torch.nn.Dropout) and m.training]
    assert active == []


def trimmed(family: str) -> tuple[HuggingFaceEncoder, Tensor]:
    """The encoder with only the rows that occur, and the token ids that it knows them by."""
    tokens, _ = inputs()
    encoder = encoder_of(family)
    ids = encoder.trim(np.unique(tokens.numpy()))
    return encoder, torch.from_numpy(ids[tokens.numpy()].astype(np.int64))


@EVERY
def test_trimming_keeps_activations_and_gradients(family: str) -> None:
    tokens, mask = inputs()
    whole, (small, ids) = encoder_of(family), trimmed(family)
    assert small.rows < whole.rows
    outputs = [whole.run(tokens, mask, None), small.run(ids, mask, None)]
    assert torch.equal(real(outputs[0]), real(outputs[1]))
    for output in outputs:
        real(output).pow(3).sum().backward()
    table = rows_of(whole).grad
    kept = rows_of(small).grad
    assert table is not None
    assert kept is not None
    assert torch.equal(table[np.unique(tokens[mask.bool()])], kept[np.unique(ids[mask.bool()])])


@EVERY
def test_trimming_keeps_training(family: str) -> None:
    """Two steps of AdamW, without decay of embeddings as in the bench: kept rows as in the whole table."""
    tokens, mask = inputs()
    whole, (small, ids) = encoder_of(family), trimmed(family)
    for encoder, given in ((whole, tokens), (small, ids)):
        optimizer = torch.optim.AdamW(encoder.named_parameters().values(), lr=1e-2, weight_decay=0.0)
        for _ in range(2):
            real(encoder.run(given, mask, None)).pow(3).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    places = np.unique(tokens, return_index=True)[1]
    assert torch.equal(rows_of(whole)[tokens.flatten()[places]], rows_of(small)[ids.flatten()[places]])
    others = [n for n in whole.named_parameters() if whole.named_parameters()[n] is not rows_of(whole)]
    assert all(torch.equal(whole.named_parameters()[n], small.named_parameters()[n]) for n in others)


def rows_of(encoder: HuggingFaceEncoder) -> Any:
    return encoder.model.get_input_embeddings().weight


@EVERY
def test_a_copy_is_independent(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    before = encoder.run(tokens, mask, None, 0, 2).detach()
    twin = encoder.copy()
    twin.run(tokens, mask, None, 0, 2)
    with torch.no_grad():
        for parameter in twin.named_parameters().values():
            parameter.add_(1.0)
    assert torch.equal(encoder.run(tokens, mask, None, 0, 2), before)
    assert not torch.equal(twin.run(tokens, mask, None, 0, 2), before)


def test_static_vectors_are_one_block_of_embeddings() -> None:
    table = torch.randn(9, 5)
    backbone = StaticVectors(table)
    tokens = torch.tensor([[4, 2, 0]])
    hidden = backbone.run(tokens, tokens > 0, None)
    assert torch.equal(hidden, table[tokens])
    assert torch.equal(backbone.run(hidden, tokens > 0, None, 1), hidden)
    ids = backbone.trim(np.array([2, 4]))
    assert torch.equal(backbone.run(torch.from_numpy(ids)[tokens].long(), tokens > 0, None), hidden)
    assert backbone.rows == 3


@EVERY
def test_without_dropout_training_mode_equals_evaluation_mode(family: str) -> None:
    encoder = encoder_of(family)
    tokens, mask = inputs()
    encoder.set_dropout(0.0)
    evaluated = encoder.run(tokens, mask, None)
    encoder.model.train()
    torch.testing.assert_close(real(encoder.run(tokens, mask, None)), real(evaluated), rtol=0, atol=1e-5)


@EVERY
def test_plain_attention_is_the_librarys_own(family: str) -> None:
    """Forward and backward, padding and local attention included; families without the choice keep their own."""
    (tokens, mask), found = inputs(), []
    for name in ("eager", "plain", "sdpa"):
        encoder = encoder_of(family)
        encoder.use_attention(name)
        hidden = encoder.run(tokens, mask, None) * mask.unsqueeze(-1)
        hidden.square().sum().backward()
        gradients = {n: p.grad for n, p in encoder.named_parameters().items() if p.grad is not None}
        found.append({"hidden": hidden.detach(), **gradients})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in other.items():
            torch.testing.assert_close(value, found[0][name], rtol=1e-4, atol=1e-4)


@EVERY
def test_in_bf16_activations_stay_near_those_of_fp32(family: str) -> None:
    tokens, mask = inputs()
    encoder = encoder_of(family)
    with torch.no_grad():
        whole = encoder.run(tokens, mask, None)
        low = encoder.cast(torch.bfloat16).run(tokens, mask, None)
    assert low.dtype == torch.bfloat16
    real = mask.bool()
    assert float((low.float() - whole)[real].norm() / whole[real].norm()) < 0.05
