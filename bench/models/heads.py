"""Heads: from activations to logits, and the loss that fits them."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.data.encoding import IGNORED
from bench.models.dropout import Dropout, Masks
from bench.models.losses import pooled_losses

HeadKind = Literal["pooled", "token", "span"]
BOTTLENECK = 64  # width of the hidden layer of the `bottleneck` head


class ScalarMix(nn.Module):
    """A learned weighted mean of layers, times a learned factor (ELMo: Peters et al. 2018, arXiv 1802.05365,
    equation 1). It starts as the plain mean."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.zeros(parts))
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., parts * width] -> [..., width]"""
        stacked = hidden.float().unflatten(-1, (len(self.scales), -1))
        return self.gain * (self.scales.softmax(0).unsqueeze(-1) * stacked).sum(-2)


class Head(nn.Module):
    """`linear`: dropout and one linear map. `bottleneck`: a narrow hidden layer between."""

    def __init__(self, kind: HeadKind, width: int, outputs: int, recipe: Recipe, parts: int = 1) -> None:
        """width: values a token, of all `parts` together if a backbone returns several layers side by side."""
        super().__init__()
        self.kind: HeadKind = kind
        self.mix = ScalarMix(parts) if recipe.features == "mix" else None
        if self.mix:
            width //= parts
        self.pooling = recipe.pooling
        self.masks = Masks()
        drop = Dropout(recipe.dropout, self.masks)
        if recipe.head == "linear":
            self.map = nn.Sequential(drop, nn.Linear(width, outputs))
        else:
            hidden = nn.Linear(width, BOTTLENECK)
            self.map = nn.Sequential(hidden, nn.GELU(), drop, nn.Linear(BOTTLENECK, outputs))

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, S, width] -> [B, width], fp32; the mean over real tokens, the first token, or the last real one."""
        if self.pooling == "cls":
            return hidden[:, 0].float()
        if self.pooling == "last":
            rows = torch.arange(len(hidden), device=hidden.device)
            return hidden[rows, mask.sum(1) - 1].float()
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Activations [B, S, width], or pooled vectors [B, width] where the head pools, -> logits:
        pooled [B, labels], token [B, S, labels], span [B, S, 2] with padding at minus infinity; fp32."""
        if self.kind == "pooled" and hidden.dim() == 3:
            hidden = self.pool(hidden, mask)
        if self.mix:
            hidden = self.mix(hidden)
        logits = self.map(hidden.float())
        if self.kind == "span":
            logits = logits.masked_fill(mask.unsqueeze(-1) == 0, float("-inf"))
        return logits


def count_terms(kind: HeadKind, targets: Tensor) -> Tensor:
    """The number of terms that a batch's loss averages: examples, labelled tokens, or windows. What is IGNORED, as
    in a row that only fills a batch up, is no term."""
    return (targets != IGNORED if kind == "token" else _used(targets)).sum()


def _used(targets: Tensor) -> Tensor:
    """Which rows of a batch do not only fill it up, [B]."""
    return (targets[:, 0] if targets.dim() == 2 else targets) != IGNORED


def loss_terms(kind: HeadKind, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(sum of the losses, number of terms) of a batch: examples, labelled tokens, or windows.

    targets: pooled as in `losses`; token [B, S]; span [B, 2]; IGNORED where there is no term. The span loss is the
    mean of the two."""
    count = count_terms(kind, targets)
    if kind == "pooled":
        return _pooled(logits, targets), count
    if kind == "token":
        return _cross_entropy(logits.flatten(0, 1), targets.flatten()), count
    start, end = logits.unbind(-1)
    both = _cross_entropy(start, targets[:, 0]) + _cross_entropy(end, targets[:, 1])
    return both / 2, count


def _pooled(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.dim() == 1 and not targets.is_floating_point():
        return _cross_entropy(logits, targets)
    return pooled_losses(logits, targets).masked_fill(~_used(targets), 0.0).sum()


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
