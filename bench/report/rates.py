"""Score against learning rate: what each strategy scored on validation rows at each scale of its default rates."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.groups import Group, gather
from bench.analysis.rates import Tried, tried
from bench.report.encodings import colour, log_axis, padded, percent, score_axis, shape, shown
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart
from bench.runs.drawn import drawn_from
from bench.runs.record import Record


def sweeps(records: Sequence[Record]) -> dict[str, list[Group]]:
    """The groups that tried several scales, by the task that they are about."""
    found: dict[str, list[Group]] = {}
    for group in gather(records).values():
        if len(tried(group)) > 1:
            found.setdefault(drawn_from(group.key.task), []).append(group)
    return found


def rates(reading: Reading, records: Sequence[Record]) -> list[Chart]:
    """One chart for each task of which a row of the page tried several scales."""
    known = {
        task: [group for group in groups if group.key._replace(task=task) in reading.groups]
        for task, groups in sweeps(records).items()
    }
    return [_chart(reading, task, groups) for task, groups in known.items() if groups]


def _chart(reading: Reading, task: str, groups: Sequence[Group]) -> Chart:
    metric = groups[0].headline
    values = [_value(reading, group, point) for group in groups for point in tried(group)]
    scores = [value["score"] for value in values]
    tooltip = [
        shown("name", "strategy"),
        shown("scale", "rates ×"),
        shown("score", metric),
        shown("kept", "kept"),
    ]
    content: Spec = {
        "data": {"values": values},
        "encoding": {
            "x": log_axis("scale", "learning rates, × the strategy's own", values, "~g"),
            "y": score_axis("score", f"validation {metric}", padded(min(scores), max(scores))),
            "color": colour(reading),
            "detail": {"field": "name"},
        },
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}},
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"shape": shape(values), "tooltip": tooltip},
            },
            {
                "transform": [{"filter": "datum.chosen"}],
                "mark": {
                    "type": "point",
                    "filled": False,
                    "shape": "circle",
                    "size": 220,
                    "strokeWidth": 1.5,
                },
            },
        ],
    }
    text = (
        f"Mean validation {metric} against the scale of each strategy's default learning rates. Circles: the scale "
        "with the lowest validation loss, which was kept. A scale at which a seed diverged has no point."
    )
    return chart(task, text, 310, content)


def _value(reading: Reading, group: Group, point: Tried) -> Spec:
    return {
        "strategy": group.key.strategy,
        "name": reading.label(group.key),
        "scale": point.scale,
        "score": percent(point.score),
        "kept": f"in {point.kept} of {point.seeds} seeds",
        "chosen": point.kept > 0,
    }
