"""The rates of simulated tables, from what the tables are said to tell apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.statistics import calibration
from bench.analysis.statistics.calibration import Design, Rates, _advantage, simulate, table

FIRST, SECOND, THIRD = (Key("task0", str(n), "none") for n in range(3))


def test_the_rates_of_four_tables_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal strategies: one table of four is wrong. Of the others, 1, 0, 2 and 1 of 4 x 2 inferior strategies are
    told apart from the superior one; an inferior one that is best counts for nothing."""
    told = iter([[], [(SECOND, THIRD), (FIRST, THIRD)], [], []])
    found = iter(
        [[(FIRST, SECOND), (SECOND, FIRST)], [], [(FIRST, SECOND), (FIRST, THIRD)], [(FIRST, THIRD)]]
    )
    advantages = []

    class Item:
        def __init__(self, score: float) -> None:
            self.scores = np.array([score, score + 0.02])

    def tables(design: Design, _rng: object) -> tuple[dict[int, Item], dict]:
        advantages.append(design.advantage)
        return dict(enumerate(map(Item, [0.8, 0.7, 0.66] * design.tasks))), {}

    def behind(_scores: object, _exact: object) -> Any:
        return next(told if advantages[-1] == 0 else found)

    monkeypatch.setattr(calibration, "drawn", tables)
    monkeypatch.setattr(calibration, "behind", behind)
    rates = simulate(3, 4, advantage=0.5)
    assert advantages == [0] * 4 + [0.5] * 4
    expected = Rates(3, 4, 1 / 4, math.sqrt(0.25 * 0.75 / 4), 4 / 8 / 4, pytest.approx(12))  # type: ignore[arg-type]
    assert rates == expected


def test_the_advantage_is_over_the_mean_of_the_others() -> None:
    assert _advantage([0.8, 0.6, 0.7, 0.9, 0.5, 0.5], 3) == pytest.approx((0.15 + 0.4) / 2)


def test_a_simulated_table_has_the_scores_that_its_design_says() -> None:
    """Difficulty 1.5 with spread 2.5 logits, and 2 logits more for the first strategy: shares by integration."""
    found = table(
        Design(2, tasks=2, seeds=2, examples=20_000, noise=0.0, advantage=2.0), np.random.default_rng(0)
    )
    assert [(key.task, key.strategy, metric) for key, metric in found] == [
        (f"task{task}", strategy, "accuracy") for task in range(2) for strategy in "01"
    ]
    logits = np.linspace(1.5 - 20, 1.5 + 20, 20_001)
    density = np.exp(-(((logits - 1.5) / 2.5) ** 2) / 2)
    for (key, _), item in found.items():
        right = 1 / (1 + np.exp(-logits - (2 if key.strategy == "0" else 0)))
        assert item.scores == pytest.approx([np.average(right, weights=density)] * 2, abs=0.012)
        assert item.seeds == (0, 1)
        assert len(item.ids) == 20_000
        assert item.draws.mean(0) == pytest.approx(item.scores, abs=0.001)
        assert item.draws.std(0) == pytest.approx(np.sqrt(item.scores * (1 - item.scores) / 20_000), rel=0.1)
