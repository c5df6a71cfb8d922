"""The loss of a head that gives one row of logits a text. What the loss is follows from the targets:

int64 [B]            the label's index: cross-entropy
float32 [B, labels]  weights of the labels, all but one of them zero: cross-entropy, weighted by class
int64 [B, labels]    0 or 1 for each label: the mean over labels of the binary cross-entropy
float32 [B]          a standardised number: squared error
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pooled_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each text: logits [B, outputs] -> [B]."""
    several = targets.dim() == 2
    if not targets.is_floating_point() and not several:
        return F.cross_entropy(logits, targets, reduction="none")
    if several and targets.is_floating_point():
        return -(targets * logits.log_softmax(-1)).sum(-1)
    if several:
        return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").mean(-1)
    return (logits.squeeze(-1) - targets).square()


def pooled_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """The mean or the sum over texts; of plain labels torch's own, to the last bit."""
    if targets.dim() == 1 and not targets.is_floating_point():
        return F.cross_entropy(logits, targets, reduction=reduction)
    losses = pooled_losses(logits, targets)
    return losses.mean() if reduction == "mean" else losses.sum()
