"""BART's encoder saved as RoBERTa gives the same activations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.export.twins import twin_of
from bench.models.families import families
from bench.models.hf_encoder import HuggingFaceEncoder
from tests.support.families import small_model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scale_embedding": True},
        {"pad_token_id": 0},
        {"pad_token_id": 89},
        {"activation_function": "relu", "encoder_layers": 2, "decoder_layers": 1},
    ],
    ids=str,
)
def test_a_twin_gives_the_same_activations(changes: dict[str, Any]) -> None:
    encoder = HuggingFaceEncoder(small_model("bart", **changes), "bart")
    twin = twin_of(encoder)
    assert twin.family.name == "roberta"
    tokens = torch.arange(4, 68).view(2, 32)  # the second text is followed by padding
    mask = torch.ones_like(tokens)
    mask[1, 20:] = 0
    tokens[1, 20:] = encoder.model.config.pad_token_id
    with torch.no_grad():
        given, found = (model.run(tokens, mask, None)[mask.bool()] for model in (encoder, twin))
    assert torch.allclose(found, given, rtol=0, atol=1e-5 * float(given.abs().max()))


def test_a_twin_takes_texts_that_are_as_long() -> None:
    encoder = HuggingFaceEncoder(small_model("bart"), "bart")
    tokens = torch.full((1, 64), 7)
    with torch.no_grad():
        assert twin_of(encoder).run(tokens, torch.ones_like(tokens), None).isfinite().all()


def test_a_family_without_a_twin_stays_itself() -> None:
    encoder = HuggingFaceEncoder(small_model("bert"), "bert")
    assert twin_of(encoder) is encoder
    assert {family.twin for family in families().values()} == {"", "roberta"}
