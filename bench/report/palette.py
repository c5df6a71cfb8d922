"""How strategies and backbones look in every chart: colours that people with any colour vision tell apart.

Chosen so that any two differ by at least 14 (CIE 1976) as people with each kind of colour blindness see them
(simulated after Machado, Oliveira & Fernandes 2009, IEEE TVCG 15), and each has a contrast of at least 3 to 1 with
the page (WCAG 2.2, 1.4.11). Beyond seven strategies colours return with another dash.
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
"""The parts of the time ledger."""


@dataclass(frozen=True)
class Look:
    """Of a strategy. place: of its colour in LIGHT and DARK. dash: lengths of strokes and gaps."""

    place: int
    dash: tuple[float, ...]

    @property
    def colour(self) -> str:
        """The CSS variable that is LIGHT or DARK, as the page is."""
        return f"var(--s{self.place})"


def looks(strategies: Sequence[str]) -> dict[str, Look]:
    """A look for every strategy, by its place in the run."""
    return {
        name: Look(place % len(LIGHT), DASHES[place // len(LIGHT) % len(DASHES)])
        for place, name in enumerate(strategies)
    }


def by_backbone(backbones: Sequence[str], signs: Sequence[str]) -> dict[str, str]:
    """A shape for every backbone, out of SHAPES or MARKERS."""
    return {name: signs[place % len(signs)] for place, name in enumerate(backbones)}
