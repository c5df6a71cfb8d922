"""An encoder with a head, as one writes it for Hugging Face's Trainer: labels in, loss out.

Independent of the engine on purpose: what is compared must not share code with what it is compared with."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from bench.contracts import BenchError, Recipe


class EncoderWithHead(nn.Module):
    """Mean, first-token or last-token pooling for `pooled`; dropout and one linear map for every kind of head."""

    def __init__(
        self, encoder: Any, kind: Literal["pooled", "token", "span"], outputs: int, recipe: Recipe
    ) -> None:
        """Raises BenchError for a head that peers do not have."""
        super().__init__()
        if recipe.head != "linear":
            raise BenchError(
                f"recipe.head is '{recipe.head}'; peers are compared only with the linear head",
                code="peers-recipe",
            )
        self.encoder = encoder
        self.kind = kind
        self.pooling: Literal["mean", "cls", "last"] = recipe.pooling
        self.dropout = nn.Dropout(recipe.dropout)
        self.classifier = nn.Linear(encoder.config.hidden_size, outputs)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """input_ids, attention_mask, token_type_ids: [B, S]. labels: pooled [B] or [B, outputs], token [B, S] with
        -100, span [B, 2]. logits: pooled [B, outputs], token and span [B, S, outputs]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        if self.kind == "pooled":
            hidden = pool(hidden, attention_mask, self.pooling)
        logits = self.classifier(self.dropout(hidden)).float()
        if self.kind == "span":
            logits = logits.masked_fill(attention_mask.unsqueeze(-1) == 0, float("-inf"))
        return (
            {"logits": logits} if labels is None else {"loss": self._loss(logits, labels), "logits": logits}
        )

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.kind == "pooled" and labels.is_floating_point() and labels.dim() == 1:
            return F.mse_loss(logits.squeeze(-1), labels)
        if self.kind == "pooled" and labels.dim() == 2 and not labels.is_floating_point():
            return F.binary_cross_entropy_with_logits(logits, labels.float())
        if self.kind == "pooled":
            return F.cross_entropy(logits, labels)
        if self.kind == "token":
            return F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        start, end = logits.unbind(-1)
        return (F.cross_entropy(start, labels[:, 0]) + F.cross_entropy(end, labels[:, 1])) / 2


def pool(hidden: Tensor, mask: Tensor, pooling: Literal["mean", "cls", "last"]) -> Tensor:
    """[B, S, width] -> [B, width]."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        return hidden[range(len(hidden)), mask.sum(1) - 1]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)
