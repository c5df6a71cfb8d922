"""An encoded split: flat arrays with offsets, never one object an example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORED = -100
"""The target of a token that takes no part in the loss (torch's default `ignore_index`)."""


@dataclass(frozen=True)
class Encoded:
    """Token sequences, one after another; sequence i is tokens[offsets[i]:offsets[i + 1]].

    tokens: int32 [T] token ids. offsets: int64 [N + 1]. segments: int8 [T], 0 or 1 (token types).
    example: int32 [N], the index of the example that each sequence comes from (windows share one).
    targets: int64; pooled [N]; token [T], IGNORED except on first sub-words; span [N, 2], the first and
        last token of the answer, counted from the start of the sequence; the window's first token,
        twice, where the answer is not in the window.
    words: int32 [T], for ner: the index of the word whose first sub-word this is, else -1.
    spans: int32 [T, 2], for qa: first and one-past-last character in the context, (-1, -1) elsewhere.
    truncated: how many sequences were cut at the length limit and lost tokens by it.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    segments: np.ndarray
    example: np.ndarray
    targets: np.ndarray
    words: np.ndarray | None = None
    spans: np.ndarray | None = None
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, int64 [N]."""
        return np.diff(self.offsets)
