"""The correction of `familywise` for a hundred thousand pairs: the same numbers, to the last bit, with less work.

Pairs whose p value is surely TAU or more come first. Where the smallest p value of every draw over them is TAU at
most, and TAU times their number is 1 at least, the adjusted p value of each of them is 1, whatever its own. Only
those draws of a pair are tested that may lower the smallest p value of a draw: bounds on the noise (`floors`) tell
which, a row of pairs at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.analysis.statistics.familywise import (
    GRID,
    Corrected,
    concluded,
    corrected,
    deviations,
    share_below,
)
from bench.analysis.statistics.floors import SAFE
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.rivals import RivalPair

TAU = 0.2
MIDDLE = 1  # of SHARES: the spread by which pairs are searched for the largest draws


def corrected_rivals(family: Sequence[RivalPair]) -> Corrected:
    """As `corrected`, which makes the noise and the draws of every pair."""
    if not family or all(pair.exact is not None for pair in family):
        return corrected(family)
    spared = np.array([pair.exact is None and pair.floor >= TAU for pair in family])
    p = np.array([TAU if spare else pair.p for pair, spare in zip(family, spared, strict=True)])
    upper, smallest = p >= TAU, np.ones(family[0].draws)
    if TAU * np.count_nonzero(upper) >= 1:
        smallest = _lowest([family[place] for place in np.flatnonzero(upper).tolist()])
    if (smallest > TAU).any():  # too few pairs: each by its own
        for place in np.flatnonzero(spared).tolist():
            p[place] = family[place].p
        upper, smallest = np.zeros(len(family), dtype=bool), np.ones(family[0].draws)
    found, own = np.ones(len(family)), np.flatnonzero(~upper)
    lowest = _Lowest(smallest)
    may_lower = dict(
        zip(own.tolist(), _may_lower([family[place] for place in own.tolist()], lowest.reached), strict=True)
    )
    for place in own[np.argsort(-p[own], kind="stable")].tolist():  # from the least significant
        if may_lower[place]:
            lowest.look(family[place])
        found[place] = share_below(lowest.smallest, float(p[place]))
    return concluded(p, found, lowest.smallest)


class _Lowest:
    """The smallest p value of each draw over the pairs so far, and how many standard deviations out it is for each
    of SHARES."""

    def __init__(self, smallest: np.ndarray) -> None:
        self.smallest = smallest
        self.reached = deviations(smallest)

    def look(self, pair: RivalPair) -> None:
        """At the draws of a pair that may have a smaller p value."""
        if (near := _near([pair], self.reached)[0]).any():
            self.take(pair, pair.noise(), near)

    def take(self, pair: RivalPair, noise: Noise, places: np.ndarray) -> None:
        """The draws of a pair at these places [draws]."""
        p = _null_p(pair, noise, places)
        lower = p < self.smallest
        self.smallest = np.where(lower, p, self.smallest)
        self.reached[:, lower] = deviations(p[lower])


def _lowest(pairs: Sequence[RivalPair]) -> np.ndarray:
    """The smallest p value of each draw over these pairs [draws]. The pair with the largest difference of each
    draw, by its noise, goes first; after those, few draws are left that may have a smaller one."""
    found, farthest = _Lowest(np.ones(pairs[0].draws)), _farthest(pairs)
    noises = {place: pairs[place].noise() for place in np.unique(farthest).tolist()}
    for place, noise in noises.items():
        found.take(pairs[place], noise, farthest == place)
    for start, row in _rows(pairs):
        near = _near(row, found.reached)
        for place in np.flatnonzero(near.any(1)).tolist():
            noise = noises.get(start + place) or row[place].noise()
            found.take(row[place], noise, near[place])
    return found.smallest


def _null_p(pair: RivalPair, noise: Noise, places: np.ndarray) -> np.ndarray:
    """As `RivalPair.null_p` at these places [draws], and 1 elsewhere. Tails are computed only at the points of the
    grid beside them; the product has the shape that it has there, and so its rounding."""
    sizes = np.abs(pair.null())
    grid = np.linspace(0.0, float(sizes.max(initial=0.0)), GRID)
    after = np.searchsorted(grid, sizes[places])
    points = np.unique(np.clip(np.concatenate([after - 1, after, after + 1]), 0, GRID - 1))
    tails = np.ones((GRID, len(noise.variances)))
    tails[points] = noise.parts(grid[points])
    logs = np.log(np.maximum(2 * (tails @ noise.weights), 1e-300))
    return np.where(places, np.exp(np.interp(sizes, grid, logs)), 1.0)


def _farthest(pairs: Sequence[RivalPair]) -> np.ndarray:
    """The place of a pair for each draw [draws]."""
    draws = np.arange(pairs[0].draws)
    most, places = np.full(len(draws), -1.0), np.zeros(len(draws), dtype=int)
    for start, row in _rows(pairs):
        if not row[0].same_seeds:  # its draws are not at hand
            continue
        sizes = _sizes(row) / np.array([pair.spreads[MIDDLE] for pair in row])[:, None]
        best = sizes.argmax(0)
        value = sizes[best, draws]
        places = np.where(value > most, start + best, places)
        most = np.maximum(most, value)
    return places


def _may_lower(pairs: Sequence[RivalPair], reached: np.ndarray) -> np.ndarray:
    """Whether any draw of a pair is near a smallest p value [pairs]."""
    found = [_near(row, reached).any(axis=1) for _, row in _rows(pairs)]
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _near(row: Sequence[RivalPair], reached: np.ndarray) -> np.ndarray:
    """The draws of which the p value may be below one that is so many standard deviations out, for each of SHARES
    [shares, draws]: [pairs, draws]. Between the points of a grid the logarithm of the tail is interpolated, so it
    is at least that of the next point."""
    sizes = _sizes(row)
    sizes += sizes.max(1, keepdims=True) / (GRID - 1)
    spreads = np.stack([pair.spreads for pair in row]) * (1 - SAFE)
    limits = spreads[:, :1] * reached[0]
    for share in range(1, len(reached)):
        np.maximum(limits, spreads[:, share, None] * reached[share], out=limits)
    return ~(sizes <= limits)


def _rows(pairs: Sequence[RivalPair]) -> Iterator[tuple[int, list[RivalPair]]]:
    """The pairs that follow each other with the same first group and draws of one kind, with the place of the first
    of them; a pair that has draws of its own is alone."""
    row: list[RivalPair] = []
    for place, pair in enumerate(pairs):
        if row and not (pair.same_seeds and row[0].same_seeds and pair.first is row[0].first):
            yield place - len(row), row
            row = []
        row.append(pair)
    if row:
        yield len(pairs) - len(row), row


def _sizes(row: Sequence[RivalPair]) -> np.ndarray:
    """The size of each draw of the difference where nothing differs [pairs, draws]."""
    if row[0].same_seeds:
        return np.abs(row[0].first.centred - np.stack([pair.second.centred for pair in row]))
    return np.abs(np.stack([pair.null() for pair in row]))
