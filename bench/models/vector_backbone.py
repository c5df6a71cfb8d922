"""Word vectors as a backbone without layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError
from bench.models.backbone import Backbone, trimmed
from bench.models.dropout import Masks


class StaticVectors(Backbone):
    """Word vectors as a backbone of depth 0: the table is the embeddings block, and there is no layer."""

    depth = 0
    pairs = False

    def __init__(self, vectors: Tensor) -> None:
        self.masks = Masks()
        self._table = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.width = vectors.shape[1]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        return {f"embeddings.word_embeddings.{name}": p for name, p in self._table.named_parameters()}

    @property
    def table(self) -> nn.Embedding:
        return self._table

    @property
    def output_width(self) -> int:
        return self.width * (4 if self.pairs else 1)

    def read_pairs(self) -> None:
        """Return [u, v, |u - v|, u * v] for u and v, the means of both texts' vectors (InferSent: Conneau et al.
        2017, EMNLP, section 3.1): a map of the mean of all words could not compare the two."""
        self.pairs = True

    def modules_of(self, block: int) -> list[nn.Module]:
        return [self._table] if block == 0 else []

    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        if start or stop == 0:
            return inputs
        vectors = self._table(inputs)
        return _compared(vectors, mask, segments) if self.pairs and segments is not None else vectors

    def trim(self, tokens: np.ndarray) -> np.ndarray:
        self._table, ids = trimmed(self._table, np.unique(np.append(tokens, 0)))
        return ids

    def insert_lora(self, rank: int, alpha: int) -> None:
        raise BenchError(
            "static word vectors have no layers to insert low-rank updates into", code="no-layers"
        )

    def insert_adapters(self, width: int) -> None:
        raise BenchError("static word vectors have no layers to insert adapters into", code="no-layers")

    def insert_peft(self, method: str, targets: str, settings: Mapping[str, Any]) -> None:
        raise BenchError("static word vectors have no layers to insert modules into", code="no-layers")

    def reinitialise(self, count: int) -> None:
        """Nothing: word vectors have no layers."""

    def merge(self) -> None:
        """Nothing: nothing is ever inserted."""

    def set_dropout(self, rate: float) -> None:
        """Nothing: word vectors have no dropout."""

    def compile(self, shapes: int = 0) -> None:
        """Nothing: word vectors have no layers."""

    def keep_layers(self, count: int) -> None:
        """Nothing: word vectors have no layers."""

    def use_attention(self, name: str) -> None:
        """Nothing: word vectors have no attention."""

    @property
    def attention(self) -> str:
        return ""

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Nothing: looking a vector up is as fast in fp32."""
        return self

    def to(self, device: torch.device) -> Backbone:
        self._table.to(device)
        return self


def _compared(vectors: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
    """[B, S, width] -> [B, S, 4 * width]: what both texts have in common, the same at every token, so that any
    pooling leaves it as it is."""
    means = []
    for side in (0, 1):
        own = (mask * (segments == side)).unsqueeze(-1).to(vectors.dtype)
        means.append((vectors * own).sum(1) / own.sum(1).clamp(min=1))
    first, second = means
    features = torch.cat([first, second, (first - second).abs(), first * second], -1)
    return features.unsqueeze(1).expand(-1, vectors.shape[1], -1)
