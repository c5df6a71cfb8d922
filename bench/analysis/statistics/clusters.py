"""Documents as the units of resampling, and how little a few of them tell.

Examples of one document are not independent, so documents are drawn as wholes. The variance between c documents is
an estimate with c - 1 degrees of freedom where they are of one size, and with fewer where a few of them hold most
of the examples (Satterthwaite 1946, Biometrics Bulletin 2; for clusters: Bell & McCaffrey 2002, Survey Methodology
28). The numbers here are theirs for clusters whose sums vary in proportion to their sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Clusters:
    """The clusters of a test set. numbers: that of each example [examples], from 0."""

    numbers: np.ndarray

    @cached_property
    def shares(self) -> np.ndarray:
        """The share of the examples that each cluster holds [clusters]."""
        sizes = np.bincount(self.numbers)
        return sizes / sizes.sum()

    @property
    def count(self) -> int:
        return len(self.shares)

    @property
    def correction(self) -> float:
        """The factor by which a variance over resampled clusters is too small, c / (c - 1) for equal ones; infinite
        for one cluster, which tells nothing of others."""
        lost = float((self.shares**2).sum())
        return 1 / (1 - lost) if self.count > 1 else float("inf")

    @property
    def dof(self) -> float:
        """The degrees of freedom of that variance: the squared trace over the trace of the square of diag(p) - pp',
        the covariance of multinomial counts with the shares p."""
        squares, cubes = (float((self.shares**power).sum()) for power in (2, 3))
        return (1 - squares) ** 2 / (squares - 2 * cubes + squares**2) if self.count > 1 else 0.0


def of_rows(groups: np.ndarray) -> Clusters | None:
    """From the name of each example's group [examples]. An example without a name is a cluster of its own. None
    where every cluster is one example."""
    names = groups.astype(str)
    alone = np.char.add("\0", np.arange(len(names)).astype(str))
    _, numbers = np.unique(np.where(names == "", alone, names), return_inverse=True)
    return Clusters(numbers) if len(numbers) and numbers.max() + 1 < len(numbers) else None
