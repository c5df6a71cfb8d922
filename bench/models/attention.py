"""Attention written out as two matrix products and a softmax, registered with transformers as `plain`.

On a CPU it is several times faster at short lengths than the fused kernel behind `sdpa`, whose backward pass is
slow there (`bench.engine.speeds` measures which of the two to use).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from bench.models.dropout import Dropout

PLAIN = "plain"


def plain_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """query, key, value: [B, heads, S, d]; attention_mask: added to the scores, broadcast to [B, heads, S, S], or
    None. Returns [B, S, heads, d], and no attention weights."""
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = _softmax(scores)
    layer = getattr(module, "dropout", None)
    own = isinstance(layer, Dropout)
    weights = layer(weights) if own else F.dropout(weights, dropout, module.training)
    return (weights @ value).transpose(1, 2).contiguous(), None


def _softmax(scores: Tensor) -> Tensor:
    """Over the last dimension; in fp32 where that is faster: on a CPU short rows in bf16 fill no whole vector."""
    length = scores.shape[-1]
    if scores.device.type == "cpu" and length < 64 and length % 32:
        return F.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)
    return F.softmax(scores, dim=-1)


def added_mask(*arguments: Any, dtype: torch.dtype = torch.float32, **options: Any) -> Tensor | None:
    """transformers' `eager_mask`, with the same values: what is added to scores. Its older versions take a number
    from the CPU, which waits for the device and cannot be part of a captured graph."""
    skips = options.get("allow_is_bidirectional_skip", False)
    options |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": skips}
    seen = sdpa_mask(*arguments, **options)
    if seen is None:
        return None
    return torch.where(seen, torch.zeros((), device=seen.device, dtype=dtype), torch.finfo(dtype).min)


def register() -> None:
    """Register `plain` with transformers."""
    AttentionInterface.register(PLAIN, plain_attention)
    AttentionMaskInterface.register(PLAIN, added_mask)
