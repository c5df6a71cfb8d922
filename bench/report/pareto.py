"""The Pareto chart: score against cold seconds, one chart per task."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report import palette
from bench.report.encodings import (
    LOG_AXIS,
    colour,
    letters,
    padded,
    percent,
    rounded,
    score_axis,
    shown,
)
from bench.report.front import Option, options, places
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart

WIDTH, HEIGHT = 400.0, 230.0  # approximate size of the plotting area
PAPER = "var(--paper)"
Domain = tuple[float, float]


def pareto(reading: Reading, task: str) -> Chart | None:
    """Mean scores against median cold seconds; None where nothing finished."""
    found = options(reading, task)
    if not found:
        return None
    metric = reading.headline(task)
    seconds, scores = domains(found)
    x = {
        "field": "seconds",
        "type": "quantitative",
        "title": "cold seconds (log scale)",
        "scale": {"type": "log", "domain": list(seconds), "nice": False},
        "axis": LOG_AXIS,
    }
    content: Spec = {
        "data": {"values": _values(reading, found, seconds, scores)},
        "encoding": {"x": x, "y": score_axis("score", metric, scores)},
        "layer": [
            {
                "transform": [{"filter": "datum.front"}],
                "mark": {"type": "line", "interpolate": "step-after", "stroke": "var(--axis)"},
            },
            {
                "mark": {"type": "rule", "opacity": 0.35, "strokeWidth": 2},
                "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}, "color": colour(reading)},
            },
            _leaders(reading),
            _points(reading, metric),
            _names({"fill": PAPER, "stroke": PAPER, "strokeWidth": 4, "strokeJoin": "round"}),
            _names({"fill": {"expr": "datum.ink"}}),
        ],
    }
    front = "; ".join(
        f"{reading.label(item.key)}, {percent(item.score):.1f} in {item.seconds:.1f} s"
        for item in found
        if item.front
    )
    text = f"Mean {metric} with its interval against median cold seconds. " + (
        f"On the Pareto front: {front}."
        if front
        else "These cells ran on several machines, whose seconds cannot be compared."
    )
    return chart(task, text, 290, content)


def domains(found: Sequence[Option]) -> tuple[Domain, Domain]:
    """The ranges of the axes: seconds, and scores in percent."""
    seconds = [item.seconds for item in found]
    edges = [100 * edge for item in found for edge in (item.low, item.high)]
    return (min(seconds) / 1.5, max(seconds) * 1.5), padded(min(edges), max(edges))


def _values(reading: Reading, found: Sequence[Option], seconds: Domain, scores: Domain) -> list[Spec]:
    span = math.log(seconds[1] / seconds[0])
    where = [
        (
            WIDTH * math.log(item.seconds / seconds[0]) / span,
            HEIGHT * (scores[1] - 100 * item.score) / (scores[1] - scores[0]),
        )
        for item in found
    ]
    names = [reading.label(item.key) for item in found]
    looks, values = palette.looks(reading.strategies), []
    for item, name, place in zip(found, names, places(where, names, (WIDTH, HEIGHT)), strict=True):
        values.append(
            {
                "strategy": item.key.strategy,
                "backbone": item.key.backbone,
                "name": name,
                "seconds": rounded(item.seconds),
                "score": percent(item.score),
                "low": percent(item.low),
                "high": percent(item.high),
                "front": item.front,
                "ink": letters(looks[item.key.strategy].colour),
                "align": place.align,
                "dx": place.dx,
                "dy": place.dy,
                "far": place.far,
            }
        )
    return values


def _points(reading: Reading, metric: str) -> Spec:
    shapes = palette.by_backbone(reading.backbones, palette.SHAPES)
    scale = {"domain": list(shapes), "range": list(shapes.values())}
    legend = {"orient": "top", "title": None} if len(shapes) > 1 else None
    return {
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 90},
        "encoding": {
            "color": colour(reading),
            "shape": {"field": "backbone", "type": "nominal", "scale": scale, "legend": legend},
            "tooltip": [
                shown("name", "strategy"),
                shown("backbone", "backbone"),
                shown("score", metric),
                shown("low", "from"),
                shown("high", "to"),
                shown("seconds", "cold seconds"),
            ],
        },
    }


def _leaders(reading: Reading) -> Spec:
    """Lines from points to distant names."""
    ends = {"x2Offset": {"expr": "datum.dx"}, "y2Offset": {"expr": "datum.dy - 4"}}
    return {
        "transform": [{"filter": "datum.far"}],
        "mark": {"type": "rule", "strokeWidth": 1, **ends},
        "encoding": {"x2": {"field": "seconds"}, "y2": {"field": "score"}, "color": colour(reading)},
    }


def _names(paint: Spec) -> Spec:
    """The strategies' names beside their points, painted twice: the halo hides lines below them."""
    places = {name: {"expr": f"datum.{name}"} for name in ("align", "dx", "dy")}
    mark = {"type": "text", "fontSize": 11.5, "baseline": "alphabetic", **places, **paint}
    return {"mark": mark, "encoding": {"text": {"field": "name"}}}
