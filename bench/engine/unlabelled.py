"""Unlabelled text as a split: prepared when the first cell reads it, and charged to every cell that does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Recipe, Splits, TextExample
from bench.data import passages
from bench.data.batches import Split
from bench.data.ladder import EXACT, Ladder
from bench.data.sequences import encode_sequences
from bench.engine.machine import Device
from bench.engine.prefix import Stopwatch


@dataclass(frozen=True)
class Text:
    """Passages as a split, and the embeddings [n, width] of their tokens that the trimmed table lacks: the split
    has ids for them that follow those of the table. seconds: what reading and tokenising took."""

    split: Split
    rows: Tensor
    seconds: float


@dataclass
class Unlabelled:
    """The text file of a recipe, whose `max_length` fits the backbone. rows: of the task, whose validation and test
    texts are left out. table: the word embeddings before trimming. token_ids: the new id of each, -1 where the
    trimmed table of `kept` rows lacks it. pad: the new padding id."""

    recipe: Recipe
    rows: Splits
    tokenizer: Any
    table: Tensor
    token_ids: np.ndarray
    kept: int
    pad: int
    device: Device
    _text: Text | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """What preparing the text took; 0 where no cell has read it."""
        return self._text.seconds if self._text else 0.0

    @property
    def text(self) -> Text:
        """The text, read and tokenised at its first use. Passages of more than `max_length` tokens are several
        sequences. BenchError."""
        if self._text is None:
            watch = Stopwatch(self.device)
            with watch:
                split, rows = self._prepared()
            self._text = Text(split, rows, watch.seconds)
        return self._text

    def _prepared(self) -> tuple[Split, Tensor]:
        texts = passages.read(self.recipe.unlabelled, self.rows).texts
        examples = [TextExample(str(number), text, "") for number, text in enumerate(texts)]
        whole = replace(self.recipe, windows="mean", truncation="head", stride=0)
        encoded = encode_sequences(examples, np.zeros(len(examples), np.int64), self.tokenizer, whole)
        tokens = np.unique(encoded.tokens)
        new = tokens[self.token_ids[tokens] < 0]
        ids = self.token_ids.copy()
        ids[new] = np.arange(self.kept, self.kept + len(new))
        ladder = Ladder.up_to(int(encoded.lengths.max())) if self.device.pads else EXACT
        rows = self.table[torch.from_numpy(new.astype(np.int64))].clone()
        return Split(encoded, ids, self.pad, self.device.torch, ladder), rows
