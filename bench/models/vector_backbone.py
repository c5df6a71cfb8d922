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

    def __init__(self, vectors: Tensor) -> None:
        self.masks = Masks()
        self._table = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.width = vectors.shape[1]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        return {f"embeddings.word_embeddings.{name}": p for name, p in self._table.named_parameters()}

    @property
    def table(self) -> nn.Embedding:
        return self._table

    def modules_of(self, block: int) -> list[nn.Module]:
        return [self._table] if block == 0 else []

    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        return self._table(inputs) if start == 0 and stop != 0 else inputs

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

    def compile(self) -> None:
        """Nothing: word vectors have no layers."""

    def keep_layers(self, count: int) -> None:
        """Nothing: word vectors have no layers."""

    def use_attention(self, name: str) -> None:
        """Nothing: word vectors have no attention."""

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Nothing: looking a vector up is as fast in fp32."""
        return self

    def to(self, device: torch.device) -> Backbone:
        self._table.to(device)
        return self
