"""Reliability diagrams: how often a strategy is right against how sure it says it is, from kept logits."""

from __future__ import annotations

import numpy as np

from bench.analysis.derived import PREFIX, bins_of, softmax
from bench.analysis.loading import Columns
from bench.report.curves import colour_of_lines
from bench.report.encodings import percent, shown
from bench.report.reading import Reading
from bench.report.vega import Chart, Spec, chart

TEXT = (
    "Share of right labels against the confidence, in bins of equal mass, all seeds together. On the diagonal a "
    "model "
    "is as often right as it says; below it, it is too sure."
)


def reliability(reading: Reading, task: str) -> Chart | None:
    """A line for each strategy; None where no predictions keep logits."""
    values = []
    groups = []
    for group in reading.of_task(task):
        kept = [record for record in group.done if record.cell.recipe.logits or not reading.selective]
        found = [pair for record in kept if (pair := _confidence(reading.columns(record))) is not None]
        if not found:
            continue
        groups.append(group)
        confidence, correct = (np.concatenate(parts) for parts in zip(*found, strict=True))
        bins = bins_of(confidence)
        for place in np.unique(bins):
            rows = bins == place
            values.append(
                {
                    "strategy": group.key.strategy,
                    "name": reading.label(group.key),
                    "confidence": percent(float(confidence[rows].mean())),
                    "right": percent(float(correct[rows].mean())),
                    "rows": int(rows.sum()),
                }
            )
    if not groups:
        return None
    low = min(min(item["confidence"], item["right"]) for item in values)
    scale = {"domain": [low, 100.0], "nice": False}
    x: Spec = {"field": "confidence", "type": "quantitative", "title": "confidence (%)", "scale": scale}
    y: Spec = {"field": "right", "type": "quantitative", "title": "right (%)", "scale": scale}
    tooltip = [shown("name", "strategy"), shown("confidence", "confidence"), shown("right", "right")]
    colour = {"color": colour_of_lines(reading, groups)}
    content: Spec = {
        "layer": [
            {
                "data": {"values": [{"confidence": at, "right": at} for at in (low, 100.0)]},
                "mark": {"type": "line", "strokeDash": [2, 3], "stroke": "var(--muted)"},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "point": True},
                "encoding": {"x": x, "y": y, **colour, "tooltip": tooltip},
            },
        ]
    }
    return chart(task, f"Reliability. {TEXT}", 310, content)


def _confidence(rows: Columns | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The probability of the most probable label of each example, and whether it is right."""
    labels = [name for name in rows or () if name.startswith(PREFIX)]
    if rows is None or not labels or str(rows["reference"][0])[:1] == "[":
        return None
    shares = softmax(np.stack([rows[name].astype(np.float64) for name in labels], 1))
    names = np.array([name.removeprefix(PREFIX) for name in labels], object)
    return shares.max(1), (names[shares.argmax(1)] == rows["reference"]).astype(float)
