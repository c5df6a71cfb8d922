"""What the charts share: encodings of strategies and scores, and rounded numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from bench.analysis.groups import Group, scale
from bench.analysis.statistics.scales import SHARE, Scale
from bench.analysis.tables.model import Entry
from bench.report import palette
from bench.report.reading import Reading
from bench.report.vega import Spec

LOG_AXIS: Spec = {"tickCount": 5, "format": ",.3~r", "grid": False}
"""For seconds on a logarithmic scale."""


def colour(reading: Reading) -> Spec:
    """Strategies by colour."""
    looks = palette.looks(reading.strategies)
    scale = {"domain": list(looks), "range": [look.colour for look in looks.values()]}
    return {"field": "strategy", "type": "nominal", "scale": scale, "legend": None}


def letters(colour: str) -> str:
    """The same colour with enough contrast for text (WCAG 2.2, 1.4.3)."""
    return f"color-mix(in srgb, {colour} 65%, var(--ink))"


def score_axis(field: str, metric: str, domain: Sequence[float]) -> Spec:
    """A score in percent."""
    scale = {"domain": list(domain), "nice": False, "zero": False}
    axis = {"tickCount": 6}
    return {"field": field, "type": "quantitative", "title": f"{metric}, %", "scale": scale, "axis": axis}


def log_axis(field: str, title: str, values: Sequence[Spec], numbers: str) -> Spec:
    """A logarithmic axis with a tick at every number that occurs. numbers: how they are written (d3-format)."""
    return {
        "field": field,
        "type": "quantitative",
        "title": f"{title} (log scale)",
        "scale": {"type": "log", "nice": False},
        "axis": {"values": sorted({value[field] for value in values}), "format": numbers, "grid": False},
    }


def shape(values: Sequence[Spec]) -> Spec:
    """The shape of every name, with a legend."""
    names = list(dict.fromkeys(value["name"] for value in values))
    legend = {"orient": "top", "title": None, "columns": 3}
    return {"field": "name", "type": "nominal", "scale": {"domain": names}, "legend": legend}


def rows(names: Sequence[str]) -> Spec:
    """One row per name, in this order."""
    axis = {"grid": True}
    return {"field": "name", "type": "nominal", "title": None, "scale": {"domain": list(names)}, "axis": axis}


def shown(field: str, title: str) -> Spec:
    """A line of a tooltip."""
    return {"field": field, "title": title}


def ends(mean: float, entry: Entry, scale: Scale = SHARE) -> tuple[float, float]:
    """The ends of the interval around a mean, as a table has it, within what a score may be; the mean twice where
    there is none."""
    half = entry.spread or 0.0
    low, high = entry.bounds or (mean - half, mean + half)
    return scale.within(low), scale.within(high)


def interval(reading: Reading, group: Group, metric: str) -> tuple[float, float]:
    """`ends` of what the table of scores has of a group."""
    return ends(fmean(group.scores(metric)), reading.entry(group.key, metric), scale([group], metric))


def padded(low: float, high: float) -> tuple[float, float]:
    """The range of percentages, a little wider, within 0 and 100; from -100 on where correlations lie below 0."""
    margin = max(0.06 * (high - low), 1.0)
    return max(0.0 if low >= 0 else -100.0, low - margin), min(100.0, high + margin)


def percent(score: float) -> float:
    """A score in [0, 1] in percent, with the decimals that charts need. One that lies between two tenths is moved
    by a thousandth, so that page and browser round it to the tenth that the table shows."""
    found, table = round(100 * score, 2), float(f"{100 * score:.1f}")
    return found + math.copysign(0.001, table - found) if abs(found - table) > 0.0499 else found


def rounded(seconds: float) -> float:
    """To four significant digits."""
    return float(f"{seconds:.4g}")
