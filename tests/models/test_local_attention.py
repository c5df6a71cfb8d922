"""Longformer's encoder without a look at values gives what the library's own gives."""

from __future__ import annotations

import copy

import pytest
import torch

from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.local_attention import attend_locally
from tests.support.families import VOCABULARY, WIDTH, small_model


@pytest.mark.parametrize("training", [False, True])
def test_it_is_the_librarys_own(training: bool) -> None:
    """Forward and backward, of whole and of cut models, on texts shorter and longer than the window."""
    library, local = (
        HuggingFaceEncoder(small_model("longformer").train(training), name) for name in ("library", "local")
    )
    library.set_dropout(0.0)
    local.set_dropout(0.0)
    attend_locally(local.model)
    assert type(local.model.encoder) is not type(library.model.encoder)
    tokens = torch.randint(4, VOCABULARY, (3, 23), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(23) < torch.tensor([[23], [9], [1]])).long()
    hidden = torch.randn(3, 23, WIDTH, generator=torch.Generator().manual_seed(1))
    for start, stop in ((0, None), (0, 2), (2, None)):
        inputs = hidden if start else tokens
        found, expected = (one.run(inputs, mask, None, start, stop) for one in (local, library))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        for output in (found, expected):
            (output * mask[..., None]).square().sum().backward()
    gradients = [
        {name: p.grad for name, p in one.named_parameters().items() if p.grad is not None}
        for one in (local, library)
    ]
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=1e-5)


def test_only_the_model_at_hand_is_changed() -> None:
    """Another program's Longformer, such as the library's own classifier, gives a token global attention."""
    one, other, bert = small_model("longformer"), small_model("longformer"), small_model("bert")
    kind = type(bert.encoder)
    for model in (one, one, bert):
        attend_locally(model)
    assert type(one.encoder) is not type(other.encoder)
    assert type(copy.deepcopy(one).encoder) is type(one.encoder)
    assert type(bert.encoder) is kind
