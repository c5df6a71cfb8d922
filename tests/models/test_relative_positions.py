"""Relative positions made on the device are those of the library."""

from __future__ import annotations

import pytest
import torch
from transformers.models.deberta_v2 import modeling_deberta_v2
from transformers.models.mpnet import modeling_mpnet

from bench.models import relative_positions
from tests.support.families import WIDTH, small_model


@pytest.mark.parametrize(("buckets", "positions"), [(256, 512), (8, 64), (32, 128)])
def test_buckets_are_those_of_the_library(
    buckets: int, positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = modeling_deberta_v2.make_log_bucket_position
    monkeypatch.setattr(modeling_deberta_v2, "make_log_bucket_position", original)
    relative = torch.arange(positions)[:, None] - torch.arange(positions)[None]
    expected = original(relative, buckets, positions)
    relative_positions.make_on_device()
    assert modeling_deberta_v2.make_log_bucket_position is relative_positions.log_bucket_position
    found = modeling_deberta_v2.make_log_bucket_position(relative, buckets, positions)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_biases_of_mpnet_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older versions of the library make positions on the CPU, which a captured graph cannot hold."""
    kind = modeling_mpnet.MPNetEncoder
    monkeypatch.setattr(kind, "compute_position_bias", kind.compute_position_bias)
    encoder, hidden = small_model("mpnet").encoder, torch.zeros(2, 40, WIDTH)
    expected = encoder.compute_position_bias(hidden)
    relative_positions.make_on_device()
    assert kind.compute_position_bias is relative_positions.position_bias
    found = encoder.compute_position_bias(hidden)
    assert torch.equal(found, expected)
    assert found.is_contiguous()
