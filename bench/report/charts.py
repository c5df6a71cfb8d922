"""Charts with one row per strategy: the seeds, the time ledger, other domains. Each chart shows one task."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from bench.analysis.groups import Group, floor
from bench.report import palette
from bench.report.encodings import colour, interval, padded, percent, rounded, rows, score_axis, shown
from bench.report.ledger import Ledger
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart

ROW = 24  # pixels


def seeds(reading: Reading, task: str) -> Chart | None:
    """One point per seed, the mean with its interval, and the score of a model that learned nothing."""
    metric = reading.headline(task)
    groups = [group for group in reading.of_task(task) if group.scores(metric)]
    if not groups:
        return None
    means = [_mean(reading, group) for group in groups]
    points = [point for group in groups for point in _seeds(reading, group)]
    edges = [item[end] for item in means for end in ("low", "high", "score")]
    edges += [point["score"] for point in points]
    low, high = padded(min(edges), max(edges))
    base = percent(max(floor(group.done[0], metric) for group in groups))
    if low - (high - low) / 2 <= base < low:  # near enough to draw
        low = max(0.0, base - 1)
    score = score_axis("score", metric, (low, high))
    named, plain = shown("name", "strategy"), {"field": "score", "type": "quantitative"}
    summary = [named, shown("score", f"mean {metric}"), shown("low", "from"), shown("high", "to")]
    content: Spec = {
        "encoding": {"y": rows([item["name"] for item in means])},
        "layer": [
            {
                "data": {"values": [{"floor": base}] if low <= base <= high else []},
                "mark": {"type": "rule", "strokeDash": [2, 3], "stroke": "var(--muted)"},
                "encoding": {"y": None, "x": {"field": "floor", "type": "quantitative"}},
            },
            {
                "data": {"values": means},
                "mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.25},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "color": colour(reading),
                    "tooltip": summary,
                },
            },
            {
                "data": {"values": means},
                "mark": {"type": "tick", "thickness": 2.5, "size": 15},
                "encoding": {"x": score, "color": colour(reading)},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 42, "opacity": 0.9},
                "encoding": {
                    "x": plain,
                    "color": colour(reading),
                    "tooltip": [named, shown("seed", "seed"), shown("score", metric)],
                },
            },
        ],
    }
    text = (
        f"Points: {metric} of each seed. Stroke and band: mean and interval, as in the table. "
        f"A model that learned nothing scores {base:.1f}{', the dotted line' if low <= base <= high else ''}."
    )
    return chart(task, text, ROW * len(means) + 60, content)


def _seeds(reading: Reading, group: Group) -> list[Spec]:
    named = {"strategy": group.key.strategy, "name": reading.label(group.key)}
    return [
        {**named, "seed": record.cell.seed, "score": percent(score)}
        for record in group.done
        if (score := record.scores.get("test", {}).get(group.headline)) is not None
    ]


def _mean(reading: Reading, group: Group) -> dict[str, Any]:
    mean = fmean(group.scores(group.headline))
    low, high = interval(reading, group, group.headline)
    named = {"strategy": group.key.strategy, "name": reading.label(group.key)}
    return {**named, "score": percent(mean), "low": percent(low), "high": percent(high)}


def ledger(found: Ledger, reading: Reading, task: str) -> Chart | None:
    """The seconds of a task by part, one bar per strategy."""
    entries = found.of_task(task)
    if not entries:
        return None
    values = []
    for item in entries:
        start = 0.0
        for name, seconds in item.parts.items():
            named = {"strategy": item.key.strategy, "name": reading.label(item.key), "part": name}
            span = {"start": rounded(start), "end": rounded(start + seconds)}
            values.append({**named, **span, "seconds": rounded(seconds)})
            start += seconds
    scale = {"domain": list(palette.PARTS), "range": list(palette.PARTS.values())}
    legend = {"orient": "top", "title": None, "columns": 5, "values": list(entries[0].parts)}
    content: Spec = {
        "data": {"values": values},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": rows([reading.label(item.key) for item in entries]),
            "x": {"field": "start", "type": "quantitative", "title": "seconds", "axis": {"tickCount": 6}},
            "x2": {"field": "end"},
            "color": {"field": "part", "type": "nominal", "scale": scale, "legend": legend},
            "tooltip": [shown("name", "strategy"), shown("part", "part"), shown("seconds", "seconds")],
        },
    }
    return chart(task, "Cold seconds of the median seed, by part.", ROW * len(entries) + 80, content)


def shift(reading: Reading, task: str) -> Chart | None:
    """The headline score on the source's test set and on those of other domains."""
    groups, metric = reading.of_task(task), reading.headline(task)
    tests = reading.tests(task)
    if len(tests) < 2:
        return None
    domains = ["source" if test == "test" else test for test in tests]
    values = [
        {
            "strategy": group.key.strategy,
            "name": reading.label(group.key),
            "domain": domain,
            "score": percent(fmean(scores)),
        }
        for group in groups
        for test, domain in zip(tests, domains, strict=True)
        if (scores := group.scores(metric, test))
    ]
    scores = [value["score"] for value in values]
    names = list(dict.fromkeys(value["name"] for value in values))
    content: Spec = {
        "data": {"values": values},
        "encoding": {
            "y": rows(names),
            "x": score_axis("score", metric, padded(min(scores), max(scores))),
            "color": colour(reading),
            "detail": {"field": "name"},
        },
        "layer": [
            {"mark": {"type": "line", "opacity": 0.35, "strokeWidth": 2}},
            _domain_points(domains, metric),
        ],
    }
    text = f"Mean {metric} on the source domain and on others, trained on the source alone."
    return chart(task, text, ROW * len(names) + 90, content)


def _domain_points(domains: Sequence[str], metric: str) -> Spec:
    scale = {"domain": list(domains), "range": list(palette.SHAPES)}
    legend = {"orient": "top", "title": None, "columns": 3}
    return {
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
        "encoding": {
            "shape": {"field": "domain", "type": "nominal", "scale": scale, "legend": legend},
            "tooltip": [shown("name", "strategy"), shown("domain", "scored on"), shown("score", metric)],
        },
    }
