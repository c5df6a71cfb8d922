"""Activations that the last group of cells left, by row: where rounds train on more and more of the same rows, a
round runs the new ones alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bench.data.batches import Split


@dataclass(frozen=True)
class Reused:
    """rest: the sequences of a split that still have to run, None: all of them. seconds: what the others took when
    they ran, by boundary."""

    rest: np.ndarray | None = None
    seconds: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptRows:
    """What a prefix cache holds: activations and the seconds that they took, by split and boundary. pooled: the
    boundaries that hold one vector a sequence. attention: the implementation that gave them."""

    splits: Mapping[str, Split]
    kept: Mapping[tuple[str, int], Tensor]
    spent: Mapping[str, Mapping[int, float]]
    pooled: frozenset[int]
    attention: str = ""

    def reuse(self, name: str, split: Split, source: int, into: Mapping[int, Tensor]) -> Reused:
        """Copy what is known of the sequences of a split. into: packed tensors of the split by boundary, which lie
        above `source`. Only sequences that are known at every one of them count."""
        spent = self.spent.get(name, {})
        if source not in spent or any((name, boundary) not in self.kept for boundary in into):
            return Reused()
        theirs = self.splits[name]
        places = {content: number for number, content in enumerate(theirs.contents())}
        found = np.array([places.get(content, -1) for content in split.contents()], np.int64)
        here, there = np.flatnonzero(found >= 0), found[found >= 0]
        sizes = {boundary: len(split) if boundary in self.pooled else split.tokens for boundary in into}
        if not len(here) or any(len(into[boundary]) != size for boundary, size in sizes.items()):
            return Reused()
        for boundary, target in into.items():
            kept = self.kept[name, boundary]
            pooled = boundary in self.pooled
            rows = (here, there) if pooled else (split.places(here), theirs.places(there))
            ours, from_ = (torch.from_numpy(index) for index in rows)
            target[ours.to(target.device)] = kept[from_.to(kept.device)].to(target)
        share = int(theirs.lengths[there].sum()) / max(theirs.tokens, 1)
        seconds = {}
        for boundary in sorted(into):
            seconds[boundary] = share * (spent[boundary] - spent[source])
            source = boundary
        return Reused(np.flatnonzero(found < 0), seconds)
