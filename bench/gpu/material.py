"""Encoders with random weights and made-up rows: the shapes of real ones, and nothing to download."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bench.contracts import Recipe
from bench.data.encoding import Encoded

PAD, FIRST = 0, 5  # the padding id, and the first id of a word
SIGNAL = 0.3  # of a row's words tell its label
CLUES = 100  # words that tell a label, each


@dataclass(frozen=True)
class Material:
    """An encoder's shape and its rows. length: tokens of each row; None: short texts, a mean of about 27."""

    name: str
    layers: int
    width: int
    heads: int
    length: int | None
    rows: int
    epochs: int
    vocabulary: int = 30522

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.epochs, batch_size=32, max_length=128, patience=100)

    def encoder(self, dropout: float = 0.1) -> Any:
        """A BERT with random weights; equal weights each time."""
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return BertModel(config, add_pooling_layer=False).eval()

    def encoded(self, split: str) -> Encoded:
        """Rows of the `train` split, or a tenth as many of another one; two labels, told by some of the words."""
        rng = np.random.default_rng([self.rows, *split.encode()])
        count = self.rows if split == "train" else max(self.rows // 10, 8)
        short = np.clip(rng.lognormal(3.2, 0.5, count), 4, 128).astype(np.int64)
        lengths = np.full(count, self.length, np.int64) if self.length else short
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        labels = rng.integers(0, 2, count)
        words = rng.integers(FIRST + 2 * CLUES, self.vocabulary, offsets[-1])
        clues = FIRST + np.repeat(labels, lengths) * CLUES + rng.integers(0, CLUES, offsets[-1])
        tokens = np.where(rng.random(offsets[-1]) < SIGNAL, clues, words).astype(np.int32)
        segments = np.zeros(len(tokens), np.int8)
        return Encoded(tokens, offsets, segments, np.arange(count, dtype=np.int32), labels)


MATERIALS = (
    Material("MiniLM-sized, short texts", 6, 384, 12, None, rows=8192, epochs=3),
    Material("BERT-base-sized, 128 tokens", 12, 768, 12, 128, rows=4096, epochs=1),
    Material("BERT-base-sized, short texts", 12, 768, 12, None, rows=8192, epochs=1),
)
TINY = (Material("tiny", 3, 32, 2, None, rows=48, epochs=2, vocabulary=500),)


def small(material: Material) -> Material:
    """The same encoder with few rows, for the checks of equality."""
    return replace(material, rows=min(material.rows, 256), epochs=2)
