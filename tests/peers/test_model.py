"""The peers' model is the engine's model: equal logits and losses from equal weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import AutoModel

from bench.contracts import BenchError, Recipe
from bench.data.encoding import IGNORED
from bench.models.heads import Head, loss_terms
from bench.peers.model import EncoderWithHead

KINDS: tuple[Literal["pooled", "token", "span"], ...] = ("pooled", "token", "span")


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_loss_are_those_of_the_engine(
    kind: Literal["pooled", "token", "span"], tiny_encoder: Path
) -> None:
    torch.manual_seed(0)
    encoder = AutoModel.from_pretrained(tiny_encoder)
    recipe = Recipe()
    peer = EncoderWithHead(encoder, kind, 2, recipe).eval()
    head = Head(kind, encoder.config.hidden_size, 2, recipe).eval()
    linear = next(module for module in head.modules() if isinstance(module, torch.nn.Linear))
    linear.load_state_dict(peer.classifier.state_dict())
    tokens = torch.randint(5, 40, (3, 7))
    mask = torch.ones_like(tokens)
    mask[1, 4:] = 0
    labels = {
        "pooled": torch.tensor([0, 1, 1]),
        "token": torch.randint(0, 2, (3, 7)).masked_fill(mask == 0, IGNORED),
        "span": torch.tensor([[1, 2], [0, 3], [6, 6]]),
    }[kind]
    with torch.no_grad():
        found = peer(tokens, mask, labels=labels)
        hidden = encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        logits = head(hidden, mask)
        total, terms = loss_terms(kind, logits, labels)
    torch.testing.assert_close(found["logits"], logits)
    torch.testing.assert_close(found["loss"], total / terms)


def test_another_head_than_the_linear_one_is_refused(tiny_encoder: Path) -> None:
    encoder = AutoModel.from_pretrained(tiny_encoder)
    with pytest.raises(BenchError) as error:
        EncoderWithHead(encoder, "pooled", 2, Recipe(head="bottleneck"))
    assert error.value.code == "peers-recipe"


@pytest.mark.parametrize("kind", ["numbers", "several labels", "weighted classes"])
def test_its_losses_of_texts_are_the_engines(kind: str) -> None:
    """Written anew for the peer, and equal."""
    from bench.models.losses import pooled_loss

    torch.manual_seed(0)
    logits = torch.randn(6, 1 if kind == "numbers" else 3)
    targets = {
        "numbers": torch.randn(6),
        "several labels": torch.randint(0, 2, (6, 3)),
        "weighted classes": torch.eye(3)[torch.randint(0, 3, (6,))] * 1.7,
    }[kind]
    peer = EncoderWithHead.__new__(EncoderWithHead)
    peer.kind = "pooled"
    assert torch.allclose(peer._loss(logits, targets), pooled_loss(logits, targets))
