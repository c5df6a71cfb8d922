"""Learning curves: the validation score of every strategy against steps and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Literal

from bench.analysis.groups import Group
from bench.report import palette
from bench.report.encodings import LOG_AXIS, padded, percent, rounded, score_axis, shown
from bench.report.palette import Look
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart
from bench.runs.curve import Point
from bench.runs.record import Record

Axis = Literal["step", "seconds"]
MOST = 60  # points of a curve that are drawn
MOST_OF_SEEDS = 3000  # points of all seeds' curves in a chart; beyond that means alone are drawn
MOST_ON_PAGE = 20_000  # the same of all charts of a page, which would be too large to open


def curves(reading: Reading, task: str, axis: Axis) -> Chart | None:
    """Each seed as a thin line, the mean over seeds as a thick line; None where there are no curves."""
    groups = [group for group in reading.of_task(task) if any(record.curve for record in group.done)]
    if not groups:
        return None
    metric = reading.headline(task)
    single, means = [], []
    points = sum(min(len(record.curve), MOST) for group in groups for record in group.done)
    on_page = sum(count * min(length, MOST) for length, count in reading.curve_lengths.items())
    with_seeds = points <= MOST_OF_SEEDS and on_page <= MOST_ON_PAGE
    for group in groups:
        named = {"strategy": group.key.strategy, "name": reading.label(group.key)}
        for record in group.done if with_seeds else ():
            one = {**named, "seed": record.cell.seed}
            kept, before = thinned(record.curve), _before(record)
            single += [{**one, **_values(point, axis, before)} for point in kept]
        means += [{**named, **_values(point, axis)} for point in thinned(mean_curve(group))]
    scores = [value["score"] for value in (*single, *means)]
    if not scores:  # too many seeds to draw, and no step at which all were validated
        return None
    y = score_axis("score", f"validation {metric}", padded(min(scores), max(scores)))
    of_one = {"detail": [{"field": "seed"}], "color": colour_of_lines(reading, groups)}
    tooltip = [shown("name", "strategy"), shown(axis, axis), shown("score", metric)]
    content: Spec = {
        "encoding": {"x": _x(axis), "y": y},
        "layer": [
            {
                "data": {"values": single},
                "mark": {"type": "line", "opacity": 0.3, "strokeWidth": 1},
                "encoding": of_one,
            },
            {
                "data": {"values": means},
                "mark": {"type": "line", "strokeWidth": 2.2},
                "encoding": {
                    "color": colour_of_lines(reading, groups),
                    "strokeDash": dash_of_lines(reading, groups),
                },
            },
            {
                "data": {"values": means},
                "mark": {"type": "point", "filled": True, "size": 28, "opacity": 1},
                "encoding": {"color": colour_of_lines(reading, groups), "tooltip": tooltip},
            },
        ],
    }
    against = "optimizer steps" if axis == "step" else "cold seconds elapsed"
    lines = "Thin lines: seeds. Thick lines: means over seeds."
    if not with_seeds:
        lines = f"Means over seeds; the seeds, {points:,} points, are not drawn."
    text = f"Validation {metric} against {against}. {lines}"
    return chart(task, text, 310, content)


def cold_curve(record: Record) -> list[Point]:
    """The learning curve with the seconds since the cold start, including those before the first step."""
    before = _before(record)
    return [replace(point, seconds=before + point.seconds) for point in record.curve]


def _before(record: Record) -> float:
    """The seconds before the first step."""
    spent = record.seconds
    return spent.prepare + spent.prefix + spent.compile


def mean_curve(group: Group) -> list[Point]:
    """The mean score and the median seconds at every step at which all seeds were validated.

    The curve ends where the first seed stopped: beyond that the mean would be over other seeds."""
    trained = [record for record in group.done if record.curve]
    found = [{point.step: point for point in record.curve} for record in trained]
    before = [_before(record) for record in trained]
    shared = set.intersection(*map(set, found)) if found else set()
    return [_mean([curve[step] for curve in found], before) for step in sorted(shared)]


def thinned(curve: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most` evenly spaced points, the last among them."""
    stride = max(1, -(-len(curve) // most))
    return list(curve[::-1][::stride][::-1])


def _mean(points: Sequence[Point], before: Sequence[float]) -> Point:
    return replace(
        points[0],
        seconds=median(start + point.seconds for start, point in zip(before, points, strict=True)),
        score=fmean(point.score for point in points),
    )


def _values(point: Point, axis: Axis, before: float = 0.0) -> dict[str, float]:
    place = point.step if axis == "step" else max(rounded(before + point.seconds), 1e-3)
    return {axis: place, "score": percent(point.score)}


def _x(axis: Axis) -> Spec:
    if axis == "step":
        return {
            "field": "step",
            "type": "quantitative",
            "title": "optimizer steps",
            "scale": {"zero": True},
            "axis": {"tickCount": 6, "tickMinStep": 1, "format": ",d", "grid": False},
        }
    return {
        "field": "seconds",
        "type": "quantitative",
        "title": "cold seconds elapsed (log scale)",
        "scale": {"type": "log", "nice": False},
        "axis": LOG_AXIS,
    }


def colour_of_lines(reading: Reading, groups: Sequence[Group]) -> Spec:
    """Encoded by the name of the line, so that colour and dash share a legend."""
    looks = palette.looks(reading.strategies)
    names = {reading.label(group.key): looks[group.key.strategy].colour for group in groups}
    scale = {"domain": list(names), "range": list(names.values())}
    return {"field": "name", "type": "nominal", "scale": scale, "legend": LEGEND}


def dash_of_lines(reading: Reading, groups: Sequence[Group]) -> Spec:
    """A second backbone of a strategy gets the next dash."""
    looks = palette.looks(reading.strategies)
    seen: list[str] = []
    names: dict[str, list[float]] = {}
    for group in groups:
        dash = _next(looks[group.key.strategy], seen.count(group.key.strategy))
        names[reading.label(group.key)] = list(dash) or [1, 0]
        seen.append(group.key.strategy)
    scale = {"domain": list(names), "range": list(names.values())}
    return {"field": "name", "type": "nominal", "scale": scale, "legend": LEGEND}


def _next(look: Look, places: int) -> tuple[float, ...]:
    return palette.DASHES[(palette.DASHES.index(look.dash) + places) % len(palette.DASHES)]


LEGEND: Spec = {"orient": "top", "title": None, "columns": 3, "symbolType": "stroke", "symbolOpacity": 1}
