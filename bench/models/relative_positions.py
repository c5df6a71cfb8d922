"""Relative positions that are made on the device, so that a forward pass copies nothing from the host.

DeBERTa's buckets take one number from a tensor on the CPU. A copy from there waits for the device and cannot be
part of a captured graph.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

DEBERTA = "transformers.models.deberta_v2.modeling_deberta_v2"


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


def make_on_device() -> None:
    """Let DeBERTa use it, if it is loaded."""
    module = sys.modules.get(DEBERTA)
    if module is not None:
        module.make_log_bucket_position = log_bucket_position  # pyright: ignore[reportAttributeAccessIssue]
