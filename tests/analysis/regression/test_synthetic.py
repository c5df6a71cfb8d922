"""The run with known truth has the truth that it states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from bench.analysis.regression.synthetic import outcomes, synthetic_run


def expected(of: Callable[[Any], Any]) -> float:
    """By quadrature over the difficulties of examples, in logits."""
    expect: Any = norm.expect
    return float(expect(of, loc=1.5, scale=2.5))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_outcomes_have_the_stated_difficulties_and_abilities(noise: float) -> None:
    scores = outcomes(20_000, 40, noise, np.random.default_rng(1)).mean(0)
    slope = expected(lambda logit: expit(logit) * expit(-logit))
    assert scores.mean() == pytest.approx(expected(expit), abs=0.012)
    assert scores.std(ddof=1) == pytest.approx(slope * noise, rel=0.3, abs=0.0035)


def test_the_stated_score_is_near_seven_in_ten() -> None:
    assert expected(expit) == pytest.approx(0.7, abs=0.02)


def test_the_run_is_the_stated_one_where_nothing_is_asked_for() -> None:
    plain, asked = synthetic_run(), synthetic_run(seeds=3, examples=1000, noise=0.05, random=0)
    assert plain.name == asked.name == "synthetic, noise 0.05"
    assert len(plain.records) == 4 * 7 * 3
    assert [record.scores for record in plain.records] == [record.scores for record in asked.records]
    first = plain.records[0]
    rows = plain.predictions(first.cell.id)
    assert (len(rows["id"]), float(np.mean(rows["correct"]))) == (1000, first.scores["test"]["accuracy"])
