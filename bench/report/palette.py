"""The looks of strategies and backbones in every chart: colours that people with any colour vision can tell apart.

Any two colours differ by at least 14 (CIE 1976) under each kind of colour blindness (simulated after Machado,
Oliveira & Fernandes 2009, IEEE TVCG 15), and each has a contrast of at least 3 to 1 with the page (WCAG 2.2,
1.4.11). From the eighth strategy on, colours repeat with another dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIGHT = ("#0072b2", "#e07306", "#4d6b10", "#862d68", "#e8457c", "#5b3fd6", "#101218")
DARK = ("#5aa9e6", "#ff7a33", "#4fd19a", "#d65fb0", "#f2d14b", "#8f7bff", "#f4f4f6")
DASHES = ((), (5, 3), (1.5, 2.5))
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
MARKERS = ("o", "s", "D", "^", "P", "v")  # the same in matplotlib
PARTS = {
    "prepare": "#8a94a6",
    "prefix": "#2f8fcb",
    "compile": "#b0508f",
    "train": "#d98a3d",
    "evaluate": "#3d9c7c",
}
"""The parts of the time ledger, in the order in which a cell spends them."""


@dataclass(frozen=True)
class Look:
    """The look of a strategy. place: the index of its colour. dash: lengths of strokes and gaps."""

    place: int
    dash: tuple[float, ...]

    @property
    def colour(self) -> str:
        """The CSS variable, which follows the light or dark page."""
        return f"var(--s{self.place})"


def looks(strategies: Sequence[str]) -> dict[str, Look]:
    """The look of every strategy, by its place in the run."""
    return {
        name: Look(place % len(LIGHT), DASHES[place // len(LIGHT) % len(DASHES)])
        for place, name in enumerate(strategies)
    }


def by_backbone(backbones: Sequence[str], signs: Sequence[str]) -> dict[str, str]:
    """The shape of every backbone, from SHAPES or MARKERS."""
    return {name: signs[place % len(signs)] for place, name in enumerate(backbones)}
