"""The correction of `familywise` for a hundred thousand pairs: the same numbers, to the last bit, with less work.

Pairs whose p value is surely at some level or above it are set aside. Where the smallest p value of every draw
over them is at most that level, and the level times their number is 1 at least, the adjusted p value of each of
them is 1, whatever its own. The level falls as long as that holds. Only those draws of a pair are tested that may
lower the smallest p value of a draw: bounds on the noise (`floors`) tell which, a row of pairs at a time. The rows
of the other pairs are independent, so several processes share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bench.analysis.statistics.familywise import (
    GRID,
    Corrected,
    beside_few,
    concluded,
    corrected,
    deviations,
    share_below,
)
from bench.analysis.statistics.floors import SAFE, mixtures
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.rivals import RivalPair
from bench.analysis.workers import mapped

TAU = 0.2
"""The level to begin with."""
SURELY = 1 + 1e-9  # more than rounding
WORTH = 10_000
"""Pairs that are worth a process."""
MIDDLE = 1  # of SHARES: the spread by which pairs are searched for the largest draws
FEW = 8  # near draws of a pair, on average, up to which a second bound is worth its time
T = TypeVar("T")


def corrected_rivals(family: Sequence[RivalPair]) -> Corrected:
    """As `corrected`, which makes the noise and the draws of every pair."""
    return beside_few(family, _of_many)


def _of_many(family: Sequence[RivalPair]) -> Corrected:
    """Where draws tell how all pairs depend on each other."""
    if not family or all(pair.exact is not None for pair in family):
        return corrected(family)
    aside = _set_aside(family)
    p, found = np.full(len(family), aside.level), np.ones(len(family))
    own = np.flatnonzero(~aside.members).tolist()
    seen = _by_row(aside.lowest.seen, [family[place] for place in own])
    p[own] = [value for row in seen for value in row.p]
    lower = {own[number]: draws for row in seen for number, draws in row.lower.items()}
    smallest = aside.lowest.smallest
    for place in sorted(own, key=lambda place: -p[place]):  # from the least significant
        if place in lower:
            places, null = lower[place]
            smallest[places] = np.minimum(smallest[places], null)
        found[place] = share_below(smallest, float(p[place]))
    return concluded(p, found, smallest)


@dataclass(frozen=True)
class _Aside:
    """The pairs whose adjusted p value is 1 [pairs], the level that their own p values reach, and the smallest of
    each draw over them."""

    members: np.ndarray
    level: float
    lowest: _Lowest


def _set_aside(family: Sequence[RivalPair]) -> _Aside:
    """As many pairs as bounds allow; none where they are too few to decide."""
    floors = np.array([0.0 if pair.exact is not None else pair.floor for pair in family])
    level, lowest = TAU, _Lowest(np.ones(family[0].draws))
    members = more = floors >= level
    while more.any():
        pairs = [family[place] for place in np.flatnonzero(more).tolist()]
        if more is members:
            lowest.begin(pairs)
        lowest.look(pairs)
        reached = max(float(lowest.smallest.max()), SURELY / np.count_nonzero(members))
        if reached > level:  # at the first time alone: both fall
            return _Aside(np.zeros(len(family), dtype=bool), level, _Lowest(np.ones(family[0].draws)))
        level, more = reached, (floors >= reached) & ~members
        members = members | more
    return _Aside(members, level, lowest)


Draws = tuple[np.ndarray, np.ndarray]
"""The places of some draws, and their p values."""


class _Lowest:
    """The smallest p value of each draw over the pairs so far, and how many standard deviations out it is for each
    of SHARES."""

    def __init__(self, smallest: np.ndarray) -> None:
        self.smallest = smallest
        self.reached = deviations(smallest)

    def begin(self, pairs: Sequence[RivalPair]) -> None:
        """With the pair that has the largest difference of each draw, by its noise. After those, few draws are left
        that may have a smaller p value."""
        farthest = _farthest(pairs)
        for place in np.unique(farthest).tolist():
            places = np.flatnonzero(farthest == place)
            self._take(places, _null_p(pairs[place], pairs[place].noise(), places))

    def look(self, pairs: Sequence[RivalPair]) -> None:
        """At every pair with a draw that may have a smaller p value."""
        for found in _by_row(self.lower, pairs):
            for places, p in found:
                self._take(places, p)

    def _take(self, places: np.ndarray, p: np.ndarray) -> None:
        lowest = np.minimum(self.smallest[places], p)
        self.smallest[places] = lowest
        self.reached[:, places] = deviations(lowest)

    def lower(self, row: _Row) -> list[Draws]:
        """The draws that may have a smaller p value."""
        near = _near_draws(row.pairs, self)
        return [
            (places, _null_p(pair, pair.noise(), places))
            for pair, places in zip(row.pairs, near, strict=True)
            if len(places)
        ]

    def seen(self, row: _Row) -> _Seen:
        """Everything that is needed of these pairs; the noise of each is made once."""
        p, lower = [], {}
        for number, (pair, places) in enumerate(zip(row.pairs, _near_draws(row.pairs, self), strict=True)):
            noise = pair.noise()
            p.append(pair.p_by(noise))
            if len(places):
                lower[row.start + number] = places, _null_p(pair, noise, places)
        return _Seen(p, lower)


@dataclass(frozen=True)
class _Row:
    """Pairs that follow each other with the same first group and draws of one kind; a pair that has draws of its
    own is alone. start: the place of the first of them."""

    start: int
    pairs: list[RivalPair]


@dataclass(frozen=True)
class _Seen:
    """The p values of a row; and by the place of a pair, its draws that may have the smallest p value."""

    p: list[float]
    lower: dict[int, Draws]


def _by_row(work: Callable[[_Row], T], pairs: Sequence[RivalPair]) -> list[T]:
    """What the work makes of every row of these pairs, by several processes where they are many."""
    rows = list(_rows(pairs))
    return mapped(work, rows, least=-(-WORTH * len(rows) // max(len(pairs), 1)))


def _null_p(pair: RivalPair, noise: Noise, places: np.ndarray) -> np.ndarray:
    """As `RivalPair.null_p` of the draws at these places [places]. Tails are computed only at the points of the
    grid beside them; the product has the shape that it has there, and so its rounding."""
    sizes = np.abs(pair.null())
    grid = np.linspace(0.0, float(sizes.max(initial=0.0)), GRID)
    chosen = sizes[places]
    after = np.searchsorted(grid, chosen)
    points = np.unique(np.clip(np.concatenate([after - 1, after]), 0, GRID - 1))
    tails = np.full((GRID, len(noise.variances)), 0.5)  # as at 0, where all points are if every draw is 0
    tails[points] = noise.parts(grid[points])
    logs = np.log(np.maximum(2 * (tails @ noise.weights), 1e-300))
    return np.exp(np.interp(chosen, grid, logs))


def _farthest(pairs: Sequence[RivalPair]) -> np.ndarray:
    """The place of a pair for each draw [draws]."""
    draws = np.arange(pairs[0].draws)
    most, places = np.full(len(draws), -1.0), np.zeros(len(draws), dtype=int)
    for row in _rows(pairs):
        if not row.pairs[0].same_seeds:  # its draws are not at hand
            continue
        sizes = _sizes(row.pairs) / np.array([pair.spreads[MIDDLE] for pair in row.pairs])[:, None]
        best = sizes.argmax(0)
        value = sizes[best, draws]
        places = np.where(value > most, row.start + best, places)
        most = np.maximum(most, value)
    return places


def _near_draws(row: Sequence[RivalPair], lowest: _Lowest) -> list[np.ndarray]:
    """The places of the draws of each pair of which the p value may be below the lowest. Where few draws are near,
    their p values are bounded once more, by more parts of the noise."""
    from scipy.special import ndtr

    sizes = _beyond(row)
    near = _near(row, lowest.reached, sizes)
    pairs, draws = np.nonzero(near)
    if 0 < len(pairs) <= FEW * len(row):
        some, own = np.unique(pairs, return_inverse=True)
        found = [row[place] for place in some.tolist()]
        seeds, examples = (
            np.array([pair.seeds for pair in found]),
            np.array([pair.examples for pair in found]).T,
        )
        others = [pair.second.parts for pair in found]
        spreads, weights = mixtures(row[0].first.parts, others, seeds, examples)
        tails = ndtr(-sizes[pairs, draws][:, None] / spreads[own]) * weights[own]
        near[pairs, draws] = 2 * tails.sum(1) * (1 - SAFE) < lowest.smallest[draws]
    return [np.flatnonzero(places) for places in near]


def _beyond(row: Sequence[RivalPair]) -> np.ndarray:
    """Sizes at which a tail is at most the p value of each draw [pairs, draws]: between the points of a grid the
    logarithm of the tail is interpolated, so it is at least that of the next point."""
    sizes = _sizes(row)
    sizes += sizes.max(1, keepdims=True) / (GRID - 1)
    return sizes


def _near(row: Sequence[RivalPair], reached: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The draws of which the p value may be below one that is so many standard deviations out, for each of SHARES
    [shares, draws]: [pairs, draws]. sizes: those of `_beyond`."""
    spreads = np.stack([pair.spreads for pair in row]) * (1 - SAFE)
    limits = spreads[:, :1] * reached[0]
    for share in range(1, len(reached)):
        np.maximum(limits, spreads[:, share, None] * reached[share], out=limits)
    return ~(sizes <= limits)


def _rows(pairs: Sequence[RivalPair]) -> Iterator[_Row]:
    row: list[RivalPair] = []
    for place, pair in enumerate(pairs):
        if row and not (pair.same_seeds and row[0].same_seeds and pair.first is row[0].first):
            yield _Row(place - len(row), row)
            row = []
        row.append(pair)
    if row:
        yield _Row(len(pairs) - len(row), row)


def _sizes(row: Sequence[RivalPair]) -> np.ndarray:
    """The size of each draw of the difference where nothing differs [pairs, draws]."""
    if row[0].same_seeds:
        return np.abs(row[0].first.centred - np.stack([pair.second.centred for pair in row]))
    return np.abs(np.stack([pair.null() for pair in row]))
