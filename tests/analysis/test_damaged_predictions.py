"""Predictions that hold no numbers: the error names the cell, which is one of thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.regression import quality
from bench.analysis.statistics import resampling
from bench.contracts import BenchError
from bench.report.examples import example_scores


@pytest.mark.parametrize("value", [np.nan, "half"])
@pytest.mark.parametrize(
    "read",
    [
        lambda group, source: resampling.resample_metrics(group, ("accuracy",), source),
        lambda group, source: quality.sample(group, source),
        lambda group, source: [example_scores(record, source.columns(record)) for record in group.done],
    ],
    ids=["resampling", "gate", "report"],
)
def test_the_cell_of_damaged_predictions_is_named(
    predicted: Run, read: Callable[..., Any], value: object
) -> None:
    damaged = "reviews/full/minilm/seed1"

    def predictions(cell: str) -> Mapping[str, Any]:
        found = dict(predicted.predictions(cell))
        return {**found, "correct": np.full(len(found["id"]), value)} if cell == damaged else found

    group = next(
        group
        for group in gather(predicted.records).values()
        if damaged in {record.cell.id for record in group.done}
    )
    with pytest.raises(BenchError) as error:
        read(group, resampling.Source(predictions))
    assert error.value.code == "no-numbers"
    assert str(error.value).startswith(f"{damaged}: column 'correct'")
    assert str(error.value).endswith("run the cell again with --fresh")
