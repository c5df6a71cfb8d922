"""What the values of a metric are: their range, which end of it is better, and the scale on which they are tested.

Shares of right answers, and F1, are compared as log-odds. So are correlations, by their place between -1 and 1,
which is twice Fisher's z (1915, Biometrika 10). Errors in the units of the labels are compared as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

CORRELATIONS = ("pearson", "spearman", "mcc")
"""The kinds of metrics that are in [-1, 1]."""


@dataclass(frozen=True)
class Scale:
    """lowest, highest: what a score may be. better: 1 where a higher score is better, -1 where a lower one is.
    odds: whether scores are tested as log-odds of their place in the range."""

    lowest: float
    highest: float
    better: int = 1
    odds: bool = True

    def within(self, value: float) -> float:
        """The value, within what a score may be."""
        return min(max(value, self.lowest), self.highest)

    def level(self, mean: float, examples: int) -> float:
        """A mean score on the scale of the test."""
        if not self.odds:
            return mean
        place = self._place(mean, examples)
        return math.log(place / (1 - place))

    def slope(self, mean: float, examples: int) -> float:
        """The derivative of `level`."""
        if not self.odds:
            return 1.0
        place = self._place(mean, examples)
        return 1 / (place * (1 - place) * (self.highest - self.lowest))

    def _place(self, mean: float, examples: int) -> float:
        """In the range, from 0 to 1, but half an example from its ends."""
        least = 0.5 / max(examples, 1)
        return min(max((mean - self.lowest) / (self.highest - self.lowest), least), 1 - least)

    def unit(self, mean: float) -> float:
        """By how much, times the number of examples, a single example moves a score of this size at most."""
        return 1.0 if math.isfinite(self.highest) or not mean else abs(mean)


SHARE = Scale(0.0, 1.0)
CORRELATION = Scale(-1.0, 1.0)
ERROR = Scale(0.0, math.inf, better=-1, odds=False)


def scale_of(kind: str) -> Scale:
    """The scale of a kind of metric."""
    if kind == "error":
        return ERROR
    return CORRELATION if kind in CORRELATIONS else SHARE
