"""Lengths to which batches are padded, so that a task has a handful of shapes.

On a GPU the shape of a batch decides which kernels run and which captured graph can be replayed, and a padded token
costs little. On a CPU a padded token costs as much as a real one, so batches keep their exact lengths there.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass

import numpy as np

RUNGS = (16, 32, 48, 64, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1536, 2048)  # tokens

PAYS = 16
"""Steps of one shape in a phase from which on it is captured: a capture takes as long as so many launched steps."""


@dataclass(frozen=True)
class Ladder:
    """rungs: the lengths, ascending; none: every length is taken as it is."""

    rungs: tuple[int, ...] = ()

    @classmethod
    def up_to(cls, longest: int) -> Ladder:
        """A ladder whose last rung is `longest`, so that no position is asked for that no sequence has."""
        return cls((*(rung for rung in RUNGS if rung < longest), longest))

    @property
    def fixed(self) -> bool:
        """Whether batches have one of a few shapes, and so as many rows each."""
        return bool(self.rungs)

    def fit(self, length: float) -> int:
        """The rung for sequences of at most `length` tokens."""
        if not self.rungs:
            return math.ceil(length)
        return self.rungs[min(bisect_left(self.rungs, length), len(self.rungs) - 1)]

    def thinned(self, lengths: np.ndarray, batch_size: int, steps: int, least: float) -> Ladder:
        """The rungs on which a phase of `steps` steps spends at least `least` of them each; what a rung that is
        left out would have held goes to the next longer one.

        Counted on batches of sequences of like length, whatever the seed, so all seeds have the same shapes.
        lengths: of the training sequences."""
        if not self.rungs:
            return self
        longest = np.sort(lengths)[::-1][::batch_size]
        found = Counter(self.fit(int(length)) for length in longest)
        top, kept, waiting = max(found), [], 0.0
        for rung in sorted(found):
            waiting += found[rung] * steps / len(longest)
            if waiting >= least or rung == top:
                kept.append(rung)
                waiting = 0.0
        return Ladder(tuple(kept))


EXACT = Ladder()
