"""Heads: from activations to logits, and the loss that fits them."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.data.encoding import IGNORED
from bench.models.dropout import Dropout, Masks
from bench.models.losses import pooled_loss

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
    """The number of terms that a batch's loss averages: examples, labelled tokens, or windows."""
    if kind == "token":
        return (targets != IGNORED).sum()
    return torch.tensor(len(targets))


def loss_terms(kind: HeadKind, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(sum of the losses, number of terms) of a batch: examples, labelled tokens, or windows.

    targets: pooled as in `losses`; token [B, S] with IGNORED; span [B, 2]. The span loss is the mean of the two."""
    if kind == "pooled":
        return pooled_loss(logits, targets, "sum"), count_terms(kind, targets)
    if kind == "token":
        total = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total, count_terms(kind, targets)
    start, end = logits.unbind(-1)
    both = F.cross_entropy(start, targets[:, 0], reduction="sum") + F.cross_entropy(
        end, targets[:, 1], reduction="sum"
    )
    return both / 2, count_terms(kind, targets)
