"""The rates of simulated tables, from what the tables are said to tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.statistics import calibration
from bench.analysis.statistics.calibration import Design, differences_found, false_differences, table

FIRST, SECOND, THIRD = (Key("task0", str(n), "none") for n in range(3))


def test_the_rates_of_four_tables_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal strategies: one table of four is wrong. Of the others, 1, 0, 2 and 1 of 4 x 2 inferior strategies are
    told apart from the superior one; an inferior one that is best counts for nothing."""
    told = iter([[], [(SECOND, THIRD), (FIRST, THIRD)], [], []])
    found = iter(
        [[(FIRST, SECOND), (SECOND, FIRST)], [], [(FIRST, SECOND), (FIRST, THIRD)], [(FIRST, THIRD)]]
    )

    def tables(design: Design, _rng: object) -> tuple[Design, dict]:
        return design, {}

    def behind(design: Design, _exact: object) -> list[tuple[Key, Key]]:
        return next(found if design.advantage else told)

    monkeypatch.setattr(calibration, "drawn", tables)
    monkeypatch.setattr(calibration, "behind", behind)
    rng = np.random.default_rng(0)
    assert false_differences(Design(3), 4, rng) == (1 / 4, math.sqrt(0.25 * 0.75 / 4))
    assert differences_found(Design(3, advantage=0.5), 4, rng) == 4 / 8 / 4


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
