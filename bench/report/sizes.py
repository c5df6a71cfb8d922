"""The chart of a task that ran at several sizes: scores against the number of training examples."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from bench.analysis.curves import Line, sized
from bench.analysis.groups import Group
from bench.report.encodings import colour, interval, log_axis, padded, percent, score_axis, shape, shown
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart


def sizes(reading: Reading) -> list[Chart]:
    """One chart for each task with at least two sizes."""
    return [
        _chart(reading, task, lines)
        for task, lines in sized(reading.run.records).items()
        if any(len(points) > 1 for points in lines.values())
    ]


def _chart(reading: Reading, task: str, lines: Mapping[Line, Mapping[int, Group]]) -> Chart:
    metric = next(group.headline for points in lines.values() for group in points.values())
    values = [
        _value(reading, group, metric, size)
        for points in lines.values()
        for size, group in points.items()
        if group.scores(metric)
    ]
    edges = [value[end] for value in values for end in ("low", "high")]
    tooltip = [shown("name", "strategy"), shown("size", "examples"), shown("score", metric)]
    content: Spec = {
        "data": {"values": values},
        "encoding": {
            "x": log_axis("size", "training examples", values, ","),
            "y": score_axis("score", metric, padded(min(edges), max(edges))),
            "color": colour(reading),
            "detail": {"field": "name"},
        },
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}},
            {
                "mark": {"type": "rule", "opacity": 0.35, "strokeWidth": 2},
                "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "shape": shape(values),
                    "tooltip": [*tooltip, shown("low", "from"), shown("high", "to")],
                },
            },
        ],
    }
    text = f"Mean {metric} with its interval against the number of training examples."
    return chart(task, text, 310, content)


def _value(reading: Reading, group: Group, metric: str, size: int) -> Spec:
    mean = fmean(group.scores(metric))
    low, high = interval(reading, group, metric)
    named = {"strategy": group.key.strategy, "name": reading.label(group.key), "size": size}
    return {**named, "score": percent(mean), "low": percent(low), "high": percent(high)}
