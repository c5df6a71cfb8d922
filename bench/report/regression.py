"""The regression page: the change of every cell between two runs, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.regression import regression_table
from bench.analysis.regression.compare import STATUSES, Finding, compare
from bench.analysis.tables.footnotes import provenance, warnings
from bench.analysis.tables.model import Table
from bench.report.encodings import rows, shown
from bench.report.reading import short, short_names
from bench.report.vega import Chart, Spec, chart

COLOURS = {
    "regressed": "var(--bad)",
    "improved": "var(--good)",
    "unchanged": "var(--muted)",
    "identical": "var(--muted)",
}


@dataclass(frozen=True)
class Side:
    """One of the two runs and its provenance."""

    name: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Regression:
    """The page. table: strategies, cells and costs, each worst first. charts: the changes, one chart per task."""

    name: str
    title: str
    made: str  # ISO 8601, UTC
    strategies: tuple[str, ...]
    outcome: int
    summary: str
    counts: tuple[tuple[str, int], ...]
    table: Table
    charts: tuple[Chart, ...]
    sides: tuple[Side, Side]


def build(baseline: Run, run: Run) -> Regression:
    """The run against the baseline, tested as the command `compare` does. BenchError where one has no records."""
    found = compare(baseline, run)
    tasks = dict.fromkeys(item.key.task for item in found.cells)
    drawn = [_chart(task, [item for item in found.cells if item.key.task == task]) for task in tasks]
    return Regression(
        name=run.name,
        title=f"What changed: {short(run.name)} against {short(baseline.name)}",
        made=datetime.now(UTC).isoformat(timespec="minutes"),
        strategies=tuple(dict.fromkeys(key.strategy for key in gather([*baseline.records, *run.records]))),
        outcome=found.exit_code,
        summary=regression_table.summary(replace(found, run="this run", baseline="the baseline")),
        counts=tuple((status, found.count(status)) for status in STATUSES if found.count(status)),
        table=replace(regression_table.table(found), caption="Changes"),
        charts=tuple(item for item in drawn if item is not None),
        sides=(_side(baseline), _side(run)),
    )


def _side(run: Run) -> Side:
    groups = gather(run.records)
    return Side(run.name, (*provenance(groups), *warnings(groups)))


def _chart(task: str, found: Sequence[Finding]) -> Chart | None:
    """Changes in points, worst first, over bars that show which drops would be missed."""
    tested = [item for item in found if item.change is not None]
    if not tested:
        return None
    named = short_names(dict.fromkeys(item.key.backbone for item in tested))
    values = [
        {
            "strategy": item.key.strategy,
            "name": f"{item.key.strategy} {named[item.key.backbone]}",
            "change": round(100 * (item.change or 0.0), 2),
            "least": round(-100 * (item.detectable or 0.0), 2),
            "status": item.status,
            "before": round(100 * (item.before or 0.0), 2),
            "after": round(100 * (item.after or 0.0), 2),
        }
        for item in tested
    ]
    axis = {"scale": {"padding": 12}, "axis": {"tickCount": 6}}
    x: Spec = {"type": "quantitative", "title": "change in points", **axis}
    scale = {"domain": list(COLOURS), "range": list(COLOURS.values())}
    legend = {"orient": "top", "title": None}
    content: Spec = {
        "data": {"values": values},
        "encoding": {"y": rows([value["name"] for value in values])},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.6}, "fill": "var(--grid)"},
                "encoding": {"x": {"field": "least", **x}, "x2": {"datum": 0}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": {"field": "change", **x},
                    "color": {"field": "status", "type": "nominal", "scale": scale, "legend": legend},
                    "tooltip": [
                        shown("name", "strategy"),
                        shown("before", "before"),
                        shown("after", "after"),
                        shown("change", "change"),
                        shown("status", "status"),
                    ],
                },
            },
        ],
    }
    text = "Points: the change. Grey: drops that this comparison would miss."
    return chart(task, text, 26 * len(values) + 90, content)
