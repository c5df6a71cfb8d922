"""Relative positions that are made on the device, so that a forward pass copies nothing from the host.

DeBERTa's buckets take one number from a tensor on the CPU, and older versions of transformers make MPNet's there.
A copy from there waits for the device and cannot be part of a captured graph.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

DEBERTA = "transformers.models.deberta_v2.modeling_deberta_v2"
MPNET = "transformers.models.mpnet.modeling_mpnet"


def log_bucket_position(relative: Tensor, bucket_size: int, max_position: int) -> Tensor:
    """transformers' `make_log_bucket_position`, with the same values: exact up to half of the buckets, logarithmic
    beyond (He et al. 2021, arXiv 2006.03654). relative: int64, of any shape."""
    middle = bucket_size // 2
    distance = relative.abs()
    near = (relative < middle) & (relative > -middle)
    distance = distance.masked_fill(near, middle - 1)
    widest = torch.log(torch.tensor((max_position - 1) / middle))  # a number: it stays on the CPU
    bucket = torch.ceil(torch.log(distance / middle) / widest * (middle - 1)) + middle
    return torch.where(distance <= middle, relative.type_as(bucket), bucket * torch.sign(relative))


def position_bias(
    encoder: Any, x: Tensor, position_ids: Tensor | None = None, num_buckets: int = 32
) -> Tensor:
    """transformers' `MPNetEncoder.compute_position_bias`, with the same values. [B, heads, S, S]."""
    batch, length = x.shape[:2]
    places = torch.arange(length, device=x.device)[None] if position_ids is None else position_ids
    bucket = encoder.relative_position_bucket(places[:, None] - places[:, :, None], num_buckets=num_buckets)
    values = encoder.relative_attention_bias(bucket[0]).permute([2, 0, 1])[None]
    return values.expand((batch, -1, length, length)).contiguous()


def make_on_device() -> None:
    """Let DeBERTa and MPNet use them, where they are loaded."""
    if DEBERTA in sys.modules:
        module: Any = sys.modules[DEBERTA]
        module.make_log_bucket_position = log_bucket_position
    if MPNET in sys.modules:
        sys.modules[MPNET].MPNetEncoder.compute_position_bias = position_bias
