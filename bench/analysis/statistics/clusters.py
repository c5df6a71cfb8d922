"""Documents as the units of resampling, and how little a few of them tell.

Examples of one document are not independent, so documents are drawn as wholes. The variance between c documents is
an estimate with c - 1 degrees of freedom where they are of one size, and with fewer where a few of them hold most
of the examples (Satterthwaite 1946, Biometrics Bulletin 2; for clusters: Bell & McCaffrey 2002, Survey Methodology
28). How many fewer depends on how alike the examples of a cluster are: the numbers here are those of random effects
with the intraclass correlation ICC (Imbens & Kolesar 2016, Review of Economics and Statistics 98). If examples were
taken for independent, many tests at once would find too much: their p values lie far out in the tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ICC = 0.05
"""The correlation of two examples of a cluster that is assumed: 21 examples of one then have twice the variance. On
questions about Wikipedia articles, 23 an article, it is 1.6 to 1.8 times."""


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

    @cached_property
    def _variances(self) -> np.ndarray:
        """What each cluster adds to the variance of the mean, in units of an example's variance [clusters]."""
        return self.shares**2 * (ICC + (1 - ICC) / np.bincount(self.numbers))

    @cached_property
    def _traces(self) -> tuple[float, float]:
        """Of the covariance of what each cluster adds to the mean, less its share of the whole, and of its square:
        (I - p1') V (I - 1p') with the shares p and the variances V."""
        p, v = self.shares, self._variances
        whole, both, shares = float(v.sum()), float(p @ v), float(p @ p)
        first = whole - 2 * both + whole * shares
        second = v @ v + 2 * both**2 + 2 * shares * (v @ v) + (whole * shares) ** 2
        return first, float(second - 4 * p @ v**2 + 2 * whole * (p**2 @ v) - 4 * whole * both * shares)

    @property
    def correction(self) -> float:
        """The factor by which a variance over resampled clusters is too small, c / (c - 1) for equal ones; infinite
        for one cluster, which tells nothing of others."""
        return float(self._variances.sum()) / self._traces[0] if self.count > 1 else float("inf")

    @property
    def dof(self) -> float:
        """The degrees of freedom of that variance: the squared trace over the trace of the square."""
        first, second = self._traces
        return first**2 / second if self.count > 1 else 0.0


def of_rows(groups: np.ndarray) -> Clusters | None:
    """From the name of each example's group [examples]. An example without a name is a cluster of its own. None
    where every cluster is one example."""
    names = groups.astype(str)
    alone = np.char.add("\0", np.arange(len(names)).astype(str))
    _, numbers = np.unique(np.where(names == "", alone, names), return_inverse=True)
    return Clusters(numbers) if len(numbers) and numbers.max() + 1 < len(numbers) else None
