"""The simulation behind the stated power, example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.regression import power
from bench.analysis.regression.compare import RunComparison
from bench.analysis.regression.matching import Finding
from bench.analysis.regression.power import Drops, Rates
from bench.analysis.regression.simulation import shifted
from bench.analysis.statistics.variance import Components
from bench.contracts import Metric
from tests.analysis.regression.test_words_by_hand import comparison

KEY = Key("reviews", "full", "minilm")
OTHER = Key("news", "full", "minilm")


RIGHT = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
ORDER = np.array([0.9, 0.2, 0.8, 0.1, 0.5, 0.3])


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (2 / 6, [1, 1, 0, 1, 1, 1]),
        (1 / 6, [1, 1, 0, 1, 1, 0]),
        (-2 / 6, [1, 0, 0, 0, 0, 0]),
        (0.0, [1, 1, 0, 0, 1, 0]),
    ],
)
def test_the_examples_of_a_shift_are_taken_in_their_order(by: float, expected: list[float]) -> None:
    found = shifted({"correct": RIGHT}, Metric("accuracy", "mean", ("correct",)), by, ORDER)
    assert found["correct"].tolist() == expected
    assert RIGHT.tolist() == [1, 1, 0, 0, 1, 0]


def test_the_least_influential_examples_are_shifted_first() -> None:
    rows = {
        "tp": np.array([1.0, 5.0, 1.0]),
        "said": np.array([1.0, 5.0, 2.0]),
        "gold": np.array([1.0, 5.0, 2.0]),
    }
    metric = Metric("f1", "f1", ("tp", "said", "gold"))
    found = shifted(rows, metric, -0.2, np.array([0.5, 0.1, 0.3]))
    assert found["tp"].tolist() == [1, 5, 0]
    better = shifted({**rows, "tp": np.array([0.0, 0.0, 1.0])}, metric, 0.13, np.array([0.5, 0.1, 0.3]))
    assert (better["tp"].tolist(), better["said"].tolist()) == ([0, 0, 2], [1, 5, 2])


def test_a_label_is_spoilt_to_one_that_it_is_not() -> None:
    labels = np.array(["a", "b", "c", "a"], object)
    metric = Metric("f1", "macro_f1")
    rows = {"reference": labels, "prediction": labels}
    found = shifted(rows, metric, -1.0, np.array([0.0, 1.5e-6, 2.5e-6, 3.5e-6]))
    assert found["prediction"].tolist() == ["b", "a", "a", "c"]
    mended = shifted({**rows, "prediction": labels[::-1].copy()}, metric, 1.0, ORDER[:4])
    assert mended["prediction"].tolist() == labels.tolist()


def test_the_rates_of_the_gate_are_counts_of_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two trials: an alarm in the first, the strategy's drop in both, the cell's in none."""

    class Pool:
        def __init__(self, variance: float) -> None:
            self.parts = Components(0.8, 3, 100, variance, 0.0, 0.0)

    class Simulator:
        def __init__(self) -> None:
            self.pools = {
                KEY: Pool(0.04**2),
                OTHER: Pool(0.02**2),
                Key("news", "lora", "minilm"): Pool(0.01**2),
            }
            self.rng = np.random.default_rng(0)

        def pair(self, drops: Mapping[Key, float]) -> tuple[Any, Any]:
            taken.append(dict(drops))
            return drops, len(taken)

    taken: list[dict[Key, float]] = []

    def outcome(drops: Mapping[Key, float], number: int) -> RunComparison:
        whole = KEY._replace(task="all tasks")
        found = len(drops) == 2
        strategies = [Finding(whole, "regressed" if found else "unchanged", 0.8, 0.8, None, 0.01 * number)]
        cells = [Finding(OTHER, "regressed" if number == 1 else "unchanged", 0.8, 0.8, None, 0.02 * number)]
        return comparison(*cells, strategies=tuple(strategies))

    monkeypatch.setattr(power, "compare", outcome)
    found = power.measure("made", Simulator(), 2, Drops(0.03, 0.06))  # type: ignore[arg-type]
    assert taken[1] == taken[4] == {KEY: 0.03, OTHER: 0.03}
    assert all(list(drops.values()) == [0.06] for drops in (taken[2], taken[5]))
    assert found == Rates(
        "made", 2, 3, 1, 0.03, 2, 0.06, 0, pytest.approx(0.02), pytest.approx(0.025), pytest.approx(0.05)
    )
    assert found.row() == "| made | 2.0 | 1 of 2 | 2 of 2 | 0 of 2 | 2.5 / 5.0 |"
    head, rule = found.head().splitlines()
    assert "| 3 points off one strategy, all tasks: found | 6 points off one cell: found |" in head
    assert rule == "|---|---:|---:|---:|---:|---:|"
