"""Many comparisons at once: p values that hold for all of them together.

A table compares every strategy with the best of its task, and the best is chosen from the same data. So the pairs
that are reported are those that look most different, and a correction for them alone is too weak. Here the family
is every pair of strategies of every task and metric, as in Tukey's studentised range. The correction is Westfall
and Young's step-down min-P procedure (1993, Resampling-Based Multiple Testing, algorithm 2.8): it compares the
smallest p value of the pairs with its distribution where nothing differs. That distribution comes from bootstrap
draws of the test examples, which all strategies share, and from draws of the noise over seeds, so the correction is
weaker than Holm's where comparisons are correlated. Seeds are drawn independently by metric, which can only make it
stronger (Sidak 1967, Journal of the American Statistical Association 62).

A few documents do not tell how the comparisons on them are correlated: of two documents, all differences would be
copies of each other. Such comparisons are corrected by Holm's method, and those beside them by Bonferroni's
inequality (`beside_few`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from bench.analysis.statistics.noise import Noise
from bench.analysis.workers import mapped

LEVEL = 0.05
SHARES = (0.5, 0.1, 0.02, 0.004)
"""Of the noise of a pair: its tail is at least that of the least variance of such a share, times the share."""
WORTH = 10_000
"""Pairs on few clusters that are worth a process."""
GRID = 64  # points at which a tail is computed; between them its logarithm is interpolated


class Tested(Protocol):
    """A comparison of a family. p: two-sided, of this comparison alone. exact: that of an exact test, which decides
    in place of the error; draws: how many there are of the error where nothing differs. few: whether it rests on so
    few clusters of examples that its draws do not tell how it depends on others."""

    @property
    def p(self) -> float: ...
    @property
    def exact(self) -> float | None: ...
    @property
    def draws(self) -> int: ...
    @property
    def few(self) -> bool: ...

    def null_p(self) -> np.ndarray:
        """The p value of every draw [draws]."""
        ...


@dataclass(frozen=True)
class Pair:
    """A difference on the scale of the test: its size, its error, and draws of the error where nothing differs.
    exact: the p value of an exact test, which decides in place of the error. few: as in Tested."""

    difference: float
    noise: Noise
    null: np.ndarray
    exact: float | None = None
    few: bool = False

    @property
    def p(self) -> float:
        """Two-sided, of this comparison alone."""
        if self.exact is not None:
            return self.exact
        return 1.0 if self.difference == 0 else 2 * self.noise.tail(abs(self.difference))

    @property
    def draws(self) -> int:
        return len(self.null)

    def null_p(self) -> np.ndarray:
        """The p value of every draw [draws]."""
        sizes = np.abs(self.null)
        grid = np.linspace(0.0, float(sizes.max(initial=0.0)), GRID)
        tails = np.maximum(2 * self.noise.tails(grid), 1e-300)
        return np.exp(np.interp(sizes, grid, np.log(tails)))


@dataclass(frozen=True)
class Corrected:
    """adjusted: the p value of every pair over the whole family. critical: a pair is told apart at 5% over the
    family where its own p value is below this, whatever the other pairs show. few: the same for pairs on few
    clusters, where there are any."""

    adjusted: tuple[float, ...]
    critical: float
    few: float | None = None

    def level(self, few: bool) -> float:
        """`critical` of a pair that rests on few clusters, or of another."""
        return self.few if few and self.few is not None else self.critical

    def divided(self, families: int) -> Corrected:
        """Where this is one of several families that share the error (Bonferroni)."""
        adjusted = tuple(min(families * p, 1.0) for p in self.adjusted)
        few = None if self.few is None else self.few / families
        return Corrected(adjusted, self.critical / families, few)


def corrected(family: Sequence[Tested]) -> Corrected:
    """Step-down min-P over the family; never more than Holm's correction, which resolves smaller values than draws
    can, and never less than a pair's own p value. A family of exact tests alone has Holm's. `stepdown` has the same
    for a hundred thousand pairs."""
    return beside_few(family, _of_many)


T = TypeVar("T", bound=Tested)


def beside_few(family: Sequence[T], correct: Callable[[Sequence[T]], Corrected]) -> Corrected:
    """The correction of a family of which some pairs rest on few clusters. correct: that of the others alone.

    A pair on few clusters has Holm's correction over the whole family. To the chance that one of the others has a p
    value as small, the chance of each pair on few clusters is added."""
    few = np.array([pair.few for pair in family], dtype=bool)
    if not few.any():
        return correct(family)
    p = np.ones(len(family))
    own, others = np.flatnonzero(few).tolist(), np.flatnonzero(~few).tolist()
    p[own] = mapped(lambda place: family[place].p, own, WORTH)
    among = correct([family[place] for place in others])
    alone = np.array(among.adjusted)
    p[others] = [family[place].p if q < 1 else 1.0 for place, q in zip(others, alone, strict=True)]
    found = np.array(holm(p.tolist()))
    as_small = len(own) - np.searchsorted(np.sort(p[own]), p[others])
    found[others] = np.minimum(found[others], alone + as_small * p[others])
    order = np.argsort(p, kind="stable")
    found[order] = np.maximum.accumulate(found[order])
    critical = LEVEL / (LEVEL / among.critical + len(own))
    return Corrected(tuple(found.tolist()), critical, LEVEL / len(family))


def _of_many(family: Sequence[Tested]) -> Corrected:
    """Where draws tell how all pairs depend on each other."""
    if not family:
        return Corrected((), LEVEL)
    p = np.array([pair.p for pair in family])
    if all(pair.exact is not None for pair in family):
        return Corrected(tuple(holm(p.tolist())), LEVEL / len(family))
    smallest = np.ones(family[0].draws)
    found = np.empty(len(family))
    for place in np.argsort(
        -p, kind="stable"
    ):  # from the least significant: each minimum is over what remains
        smallest = np.minimum(smallest, family[place].null_p())
        found[place] = share_below(smallest, float(p[place]))
    return concluded(p, found, smallest)


def share_below(smallest: np.ndarray, p: float) -> float:
    """How often the smallest p value of a draw [draws] is as small as this one, counting this one as a draw."""
    return (1 + np.count_nonzero(smallest <= p)) / (1 + len(smallest))


def concluded(p: np.ndarray, found: np.ndarray, smallest: np.ndarray) -> Corrected:
    """The correction, from each pair's own p value and how often draws are as small [pairs], and from the smallest
    p value of each draw over all pairs."""
    order = np.argsort(p, kind="stable")
    found[order] = np.maximum.accumulate(found[order])
    adjusted = np.maximum(np.minimum(found, holm(p.tolist())), p)
    critical = max(float(np.quantile(smallest, LEVEL)), LEVEL / len(p))
    return Corrected(tuple(adjusted.tolist()), critical)


def deviations(p: np.ndarray) -> np.ndarray:
    """How many standard deviations out a two-sided p value [draws] is where one of SHARES of the noise leaves it
    [shares, draws]; below 0 where the share is too small."""
    from scipy.special import ndtri

    return -ndtri(np.minimum(p / (2 * np.array(SHARES)[:, None]), 1.0))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, as statsmodels' multipletests(p, method="holm") has them; importing that takes
    longer than everything else here."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    stepped = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted.tolist()
