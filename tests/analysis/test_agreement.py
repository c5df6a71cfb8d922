"""A table's marks, `--kind pairs`, and what machines read say the same, whatever the metric."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.analysis.tables import pairs
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.formats import render
from tests.analysis.conftest import METRICS, make_predictions, make_record
from tests.analysis.numeric import numeric_run

NAMES = ("frozen", "top-layers", "lora", "full")
VERDICTS = {"not told apart": "tied", "first is better": ""}


def labelled_run(rng: np.random.Generator) -> Run:
    """Strategies of random accuracies on a test set with a rare label, whose F1 is another matter."""
    records, files = [], {}
    difficulty, seeds = rng.random(200), int(rng.integers(1, 4))
    for name in NAMES[: int(rng.integers(2, 5))]:
        accuracy = 0.7 + 0.2 * rng.random()
        for seed in range(seeds):
            ease = 0.9 * difficulty + 0.1 * rng.random(200)
            rows = make_predictions((ease < accuracy).astype(float))
            record = make_record("t", name, seed)
            scores = {item.name: ratios(item, rows).score() for item in METRICS}
            records.append(record.model_copy(update={"scores": {"test": scores}}))
            files[record.cell.id] = rows
    return Run("labels", records, files.__getitem__)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "spearman", "pearson", "mae"])
@pytest.mark.parametrize("draw", range(8))
def test_marks_pairs_and_json_never_disagree(metric: str, draw: int) -> None:
    rng = np.random.default_rng(draw)
    if metric in ("accuracy", "f1"):
        run = labelled_run(rng)
    else:
        noises = {name: float(rng.uniform(0.3, 1.2)) for name in NAMES[: int(rng.integers(2, 5))]}
        noises["frozen"] = float(rng.choice([noises["frozen"], np.inf, -0.8]))
        run = numeric_run(noises, seeds=int(rng.integers(1, 4)), examples=100)
    compared = pairs.build(run.records, run.predictions, metric).blocks[0].rows
    (best,) = {row.labels[0].split()[0] for row in compared}
    expected = {row.labels[1].split()[0]: VERDICTS[str(row.entries[-1].value)] for row in compared}
    table = build(run.records, run.predictions, TableOptions(columns=(metric,), metric=metric))
    marks = {row.labels[0]: row.entries[0].mark for row in table.blocks[0].rows}
    assert marks == {best: "best", **expected}
    values = {row.labels[0]: row.entries[0].value for row in table.blocks[0].rows}
    extreme = min if metric == "mae" else max
    assert values[best] == extreme(values.values())
    (block,) = json.loads(render(table, "json"))["blocks"]
    assert {row["strategy"]: row["values"][metric].get("mark", "") for row in block["rows"]} == marks
