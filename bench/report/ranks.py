"""Strategies over tasks: mean ranks with intervals, and bars that join what cannot be told apart (Demšar 2006)."""

from __future__ import annotations

from bench.analysis.groups import Key
from bench.analysis.ranking import Ranked, Ranking, rank
from bench.analysis.tables.ranks import over
from bench.contracts import BenchError
from bench.report.encodings import colour, rows, shown
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart

ROW = 26  # pixels
TITLE = "all tasks"


def ranking(reading: Reading) -> Ranking | None:
    """The ranking of a run; None where it has too few tasks or strategies for one."""
    try:
        return rank(reading.run.records, reading.run.predictions, made=reading.resampled)
    except BenchError:
        return None


def name(reading: Reading, item: Ranked) -> str:
    """A row as the other charts call it."""
    return reading.label(Key("", *item.row))


def ranks(reading: Reading, found: Ranking) -> Chart:
    """One row a strategy, the best at the top; vertical bars at the right join those that cannot be told apart."""
    names = [name(reading, item) for item in found.rows]
    values = [
        {
            "strategy": item.row[0],
            "name": label,
            "rank": round(item.rank.value, 2),
            "low": round(item.rank.low, 2),
            "high": round(item.rank.high, 2),
        }
        for item, label in zip(found.rows, names, strict=True)
    ]
    last = len(names)
    scale = {"domain": [0.8, last + 0.3 + 0.22 * max(len(found.groups()), 1)], "nice": False, "zero": False}
    axis = {"tickCount": last, "values": list(range(1, last + 1)), "format": "d"}
    place = {
        "field": "rank",
        "type": "quantitative",
        "title": "mean rank, 1 is best",
        "scale": scale,
        "axis": axis,
    }
    tooltip = [
        shown("name", "strategy"),
        shown("rank", "mean rank"),
        shown("low", "from"),
        shown("high", "to"),
    ]
    content: Spec = {
        "encoding": {"y": rows(names)},
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.25},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "color": colour(reading),
                    "tooltip": tooltip,
                },
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {"x": place, "color": colour(reading), "tooltip": tooltip},
            },
            _bars(found, names),
        ],
    }
    return chart(TITLE, _description(found, names), ROW * last + 60, content)


def _bars(found: Ranking, names: list[str]) -> Spec:
    values = [
        {"strategy": "", "name": names[first], "end": names[last], "bar": len(names) + 0.3 + 0.22 * place}
        for place, (first, last) in enumerate(found.groups())
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "rule", "strokeWidth": 4, "strokeCap": "round", "stroke": "var(--ink)"},
        "encoding": {"x": {"field": "bar", "type": "quantitative"}, "y2": {"field": "end"}},
    }


def _description(found: Ranking, names: list[str]) -> str:
    tasks = f"{len(found.tasks)} tasks ({', '.join(found.tasks)})"
    text = f"Mean rank over {tasks} with a 95% interval over {over(found)}. "
    bars = [", ".join(names[first : last + 1]) for first, last in found.groups()]
    if not bars:
        return text + "All strategies are told apart."
    return f"{text}Black bars join what cannot be told apart, which does not mean equal: {'; '.join(bars)}."
