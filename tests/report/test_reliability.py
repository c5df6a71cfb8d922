"""The reliability diagram of kept logits."""

from __future__ import annotations

import numpy as np

from bench.analysis.derived import BINS
from bench.analysis.loading import Run
from bench.report.reading import read
from bench.report.reliability import reliability
from tests.analysis.conftest import make_record
from tests.analysis.test_derived import predictions


def run(logits: bool) -> Run:
    records = [make_record(strategy=name, seed=seed) for name in ("full", "frozen") for seed in range(2)]
    return Run("r", records, lambda cell: predictions(int(cell[-1]), logits=logits))


def test_a_line_for_each_strategy_in_bins_of_equal_mass() -> None:
    found = reliability(read(run(True)), "reviews")
    assert found is not None
    values = found.spec["layer"][1]["data"]["values"]
    assert len(values) == 2 * BINS
    assert {item["rows"] for item in values} == {53, 54}
    rows = predictions(0)
    right = np.mean([predictions(seed)["correct"].mean() for seed in range(2)])
    one = [item for item in values if item["name"] == values[0]["name"]]
    assert abs(sum(item["right"] * item["rows"] for item in one) / 800 / 100 - right) < 0.01
    assert rows["split"][0] == "test"


def test_no_diagram_without_logits() -> None:
    assert reliability(read(run(False)), "reviews") is None
