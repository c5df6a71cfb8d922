"""Batches: an encoded split as tensors, and the order in which it is visited."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.data.encoding import IGNORED, Encoded
from bench.data.ladder import EXACT, Ladder

MEGABLOCK = 32  # batches among which sequences are sorted by length
CPU_TOKENS = 2048  # padded tokens of an evaluation batch on a CPU: what stays in its caches is faster
DEVICE_TOKENS = 32768  # and elsewhere: a GPU is not filled by less


@dataclass(frozen=True)
class Batch:
    """Padded sequences. tokens, mask, positions: [B, S]; segments: [B, S] or None; index: int64 [B].

    positions: where each token lies in the packed arrays of its split; padding repeats the first token's."""

    tokens: Tensor
    mask: Tensor
    segments: Tensor | None
    targets: Tensor
    positions: Tensor
    index: Tensor


class Split:
    """An encoded split on the device, cut into batches by index. targets: packed, or one row a sequence."""

    def __init__(
        self,
        encoded: Encoded,
        token_ids: np.ndarray,
        pad: int,
        device: torch.device,
        ladder: Ladder = EXACT,
    ) -> None:
        """token_ids: the new id of each vocabulary entry (`Backbone.trim`); pad: the new padding id; ladder: the
        lengths to which batches are padded."""
        self.lengths = encoded.lengths
        self.ladder = ladder
        self._by_token = encoded.targets.ndim == 1 and len(encoded.targets) == len(encoded.tokens) != len(
            encoded
        )
        self._by_token = self._by_token or encoded.words is not None
        self._pad = pad
        self._device = device
        self._tokens = torch.from_numpy(token_ids[encoded.tokens].astype(np.int64)).to(device)
        self._segments = None
        if encoded.segments.any():
            self._segments = torch.from_numpy(encoded.segments.astype(np.int64)).to(device)
        self.targets = torch.from_numpy(encoded.targets).to(device)
        self._offsets = torch.from_numpy(encoded.offsets[:-1]).to(device)
        self._lengths = torch.from_numpy(self.lengths).to(device)
        self._encoded = encoded
        content = (encoded.tokens, encoded.offsets, encoded.segments)
        self.digest = hashlib.sha256(b"".join(array.tobytes() for array in content)).hexdigest()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Real tokens of the split."""
        return int(self.lengths.sum())

    def vocabulary(self) -> np.ndarray:
        """The ids of the trimmed table that occur in the split, sorted, int64 [words]."""
        return np.unique(self._tokens.cpu().numpy())

    def contents(self) -> list[bytes]:
        """What tells sequences apart, whichever split they are in: their tokens and segments."""
        starts = self._encoded.offsets
        parts = [slice(*edges) for edges in itertools.pairwise(starts.tolist())]
        return [
            self._encoded.tokens[part].tobytes() + self._encoded.segments[part].tobytes() for part in parts
        ]

    def places(self, index: np.ndarray) -> np.ndarray:
        """Where the tokens of the sequences `index` lie in packed arrays, one sequence after another."""
        lengths = self.lengths[index]
        ends = np.cumsum(lengths)
        starts = self._encoded.offsets[:-1][index]
        return np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)

    def batch(self, index: np.ndarray) -> Batch:
        """The sequences `index`, padded to the longest of them or to its rung of the ladder."""
        rows = torch.from_numpy(index).to(self._device)
        return self.gather(rows, self.ladder.fit(int(self.lengths[index].max())))

    def gather(self, rows: Tensor, length: int) -> Batch:
        """The sequences `rows`, int64 [B] on the device, padded or cut to `length` tokens. Nothing waits for the
        device or comes from the host, so it can be captured.

        A row of -1 only fills the batch up: it holds a sequence, so that all values are finite, and no target, so
        that it weighs nothing."""
        index = rows.clamp(min=0)
        steps = torch.arange(length, device=self._device)
        real = steps < self._lengths[index][:, None]
        positions = self._offsets[index][:, None] + steps * real
        tokens, padding = self._tokens[positions], ~real
        if self._by_token:
            targets = self.targets[positions].masked_fill(padding | (rows < 0)[:, None], IGNORED)
        else:
            targets = self.targets[index]
            filling = (rows < 0).view(-1, *[1] * (targets.dim() - 1))
            targets = targets.masked_fill(filling, IGNORED)
        return Batch(
            tokens=tokens.masked_fill(padding, self._pad),
            mask=real.long(),
            segments=None if self._segments is None else self._segments[positions].masked_fill(padding, 0),
            targets=targets,
            positions=positions,
            index=index,
        )

    def in_order(self, most: int = 0, of: np.ndarray | None = None) -> Iterator[Batch]:
        """Batches that cover the split once, cut as `in_order_of_length` says. The order goes to the device once,
        before the first of them."""
        parts = list(self.in_order_of_length(most, of))
        if not parts:
            return
        rows = torch.from_numpy(np.concatenate(parts)).to(self._device)
        start = 0
        for part in parts:
            stop = start + len(part)
            yield self.gather(rows[start:stop], self.ladder.fit(int(self.lengths[part[-1]])))
            start = stop

    def in_order_of_length(self, most: int = 0, of: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Index arrays that cover the split once, shortest first, of at most CPU_TOKENS or DEVICE_TOKENS padded
        tokens and `most` sequences (0: any number). of: the sequences that are covered, ascending; None: all."""
        tokens = CPU_TOKENS if self._device.type == "cpu" else DEVICE_TOKENS
        covered = np.arange(len(self)) if of is None else of
        order = covered[np.argsort(self.lengths[covered], kind="stable")]
        padded = [self.ladder.fit(int(length)) for length in self.lengths[order]]
        start = 0
        while start < len(order):
            stop = start + 1
            end = min(len(order), start + most) if most else len(order)
            while stop < end and (stop + 1 - start) * padded[stop] <= tokens:
                stop += 1
            yield order[start:stop]
            start = stop


def scatter(packed: Tensor, values: Tensor, batch: Batch) -> None:
    """Put values of tokens, [B, S, ...], into packed ones, [T, ...].

    The positions of padding are those of each sequence's first token, so padding gets the value of that token.
    Every write to a position is then the same, and nothing has to be counted, which would wait for the device."""
    real = batch.mask.bool().unsqueeze(-1)
    values = torch.where(real, values, values[:, :1])
    packed[batch.positions.flatten()] = values.flatten(0, 1).to(packed)


def epoch_steps(sequences: int, batch_size: int) -> int:
    """Steps of one pass."""
    return math.ceil(sequences / batch_size)


def shuffled(lengths: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Endless index arrays, epoch after epoch: shuffle, sort by length within blocks of MEGABLOCK batches, cut
    into batches, shuffle the batches. Every sequence occurs once an epoch; the order depends on `seed` alone,
    so that every strategy of a seed sees the same batches."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(lengths))
        block = MEGABLOCK * batch_size
        ordered = [
            part[np.argsort(lengths[part], kind="stable")]
            for part in (order[i : i + block] for i in range(0, len(order), block))
        ]
        batches = [part[i : i + batch_size] for part in ordered for i in range(0, len(part), batch_size)]
        for number in rng.permutation(len(batches)):
            yield batches[number]
