"""The figure of score against learning rate for papers, on a matplotlib axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.rates import Tried

RING = 8
"""The diameter, in points, of the circle around a scale that was kept."""


def draw_line(panel: Any, points: Sequence[Tried], style: dict[str, Any]) -> None:
    """The line of one strategy, a circle around what was kept. style: colour, dash, marker and label."""
    scales = [point.scale for point in points]
    panel.plot(scales, [100 * point.score for point in points], markersize=3.5, **style)
    kept = [point for point in points if point.kept]
    panel.plot(
        [point.scale for point in kept],
        [100 * point.score for point in kept],
        marker="o",
        markersize=RING,
        markerfacecolor="none",
        color=style["color"],
        linestyle="none",
    )


def label_axes(panel: Any, scales: Sequence[float], metric: str) -> None:
    """A logarithmic axis with the scales that were tried."""
    from matplotlib.ticker import NullFormatter, NullLocator

    panel.set_xscale("log")
    panel.set_xticks(list(scales), [f"{scale:g}" for scale in scales])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("learning rates, × the strategy's own")
    panel.set_ylabel(f"validation {metric}, %")
