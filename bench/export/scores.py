"""The scores on the card of an exported model, and what a card says of how the model came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.analysis.groups import gather
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.resampling import Source, resample
from bench.contracts import Cell
from bench.engine.cell import score
from bench.engine.group import CellGroup, RunContext
from bench.engine.training import Watch
from bench.engine.tuning import Trained


@dataclass(frozen=True)
class Request:
    """What is told of an export, besides its cell. watch: hears the learning curve. command: what the user typed.
    compared: the comparison that chose the strategy, in Markdown; '' where there was none. onnx: also write an ONNX
    graph."""

    watch: Watch = lambda point: None
    command: str = ""
    compared: str = ""
    onnx: bool = False


UNSAID = Request()
"""Nothing is told."""


def own_scores(cell: Cell, trained: Trained, group: CellGroup, context: RunContext) -> str:
    """The scores of this very model on its test rows, in Markdown; '' where it was trained on some of them."""
    learnt = {row.id for row in group.rows.train}
    if any(row.id in learnt or row.id.removeprefix("test-") in learnt for row in group.rows.test):
        return ""
    if any(f"test-{row.id}" in learnt for row in group.rows.test):
        return ""
    record, tests = score(cell, trained, group, context)
    columns = _columns(tests["test"])
    (found,) = gather([record]).values()
    lines = ["| metric | score | 95% interval |", "|---|---:|---:|"]
    for metric in record.metrics:
        drawn = resample(found, metric.name, Source(lambda _: columns))
        shown = partial(_shown, error=metric.kind == "error")
        bounds = ""
        if drawn is not None:
            around = intervals({"": drawn.components()})[""]
            bounds = " to ".join(shown(drawn.scale.within(end)) for end in (around.low, around.high))
        lines.append(f"| {metric.name} | {shown(record.scores['test'][metric.name])} | {bounds} |")
    note = "Intervals are over test examples: this is one model, and another seed would score differently."
    return "\n".join([*lines, "", note])


def _shown(value: float, error: bool) -> str:
    """In percent; an error in the units of the labels."""
    return f"{value:.3g}" if error else f"{100 * value:.1f}"


def _columns(rows: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """As prediction files are read."""
    found = {"split": ["test"] * len(rows["id"]), **rows}
    return {
        name: np.array(values, dtype=object if len(values) and isinstance(values[0], str) else None)
        for name, values in found.items()
    }
