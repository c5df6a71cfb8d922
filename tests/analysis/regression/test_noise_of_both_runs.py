"""The gate's noise comes from both runs, each seed counting alike: exact p where the noise is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_ind

from bench.analysis.groups import Group, Key
from bench.analysis.regression import quality
from bench.analysis.regression.costs import compare_costs
from bench.analysis.regression.quality import Change, Matched, Sample, changes, pooled
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.variance import Components
from bench.runs.record import Record, Seconds

KEY = Key("reviews", "full", "minilm")
RNG = np.random.default_rng(5)


def side(seeds: Sequence[int], mean: float, seed: float, interaction: float) -> Sample:
    """A run of one cell whose variances are given."""
    parts = Components(mean, len(seeds), 1000, seed, interaction, 1e-4)
    outcomes = tuple({"correct": bytes([number])} for number in seeds)
    influences = RNG.normal(0, 1e-3, (1000, len(seeds)))
    return Sample(parts, "ids", tuple(seeds), np.full(len(seeds), mean), influences, outcomes)


NOISY, QUIET = (0.03**2, 0.02**2), (0.01**2, 0.005**2)
ORDERS = pytest.mark.parametrize("order", [1, -1], ids=["noise before", "noise after"])


@ORDERS
def test_variances_are_pooled_by_degrees_of_freedom(order: int) -> None:
    sides = [side(range(5), 0.8, *NOISY), side(range(10, 13), 0.8, *QUIET)][::order]
    found = pooled(sides[0], sides[1])
    assert found.seed == pytest.approx((4 * NOISY[0] + 2 * QUIET[0]) / 6)
    assert found.interaction == pytest.approx((4 * NOISY[1] + 2 * QUIET[1]) / 6)
    assert found.dof == 6


@ORDERS
def test_a_run_of_one_seed_adds_nothing_to_the_pool(order: int) -> None:
    lone = side([20], 0.8, math.nan, math.nan)
    sides = [side(range(5), 0.8, *NOISY), lone][::order]
    found = pooled(sides[0], sides[1])
    assert (found.seed, found.interaction, found.dof) == (*NOISY, 4)


@ORDERS
def test_the_p_of_a_drop_is_exact_where_the_noise_is_known(
    order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every seed's score has the pooled variance, so a difference of means of 5 and 3 seeds has it by 1/5 + 1/3."""
    monkeypatch.setattr(quality, "moderated", lambda cells: [Noise.known(cell.seed) for cell in cells])
    sides = [side(range(5), 0.80, *NOISY), side(range(10, 13), 0.77, *QUIET)][::order]
    found = changes({KEY: Matched.of(sides[0], sides[1])})[KEY]
    deviation = math.sqrt((4 * NOISY[0] + 2 * QUIET[0]) / 6 * (1 / 5 + 1 / 3))
    assert found.difference == pytest.approx(-0.03 * order)
    assert found.p(-order) == pytest.approx(norm.sf(0.03 / deviation))
    assert found.p(order) == pytest.approx(norm.cdf(0.03 / deviation))
    assert found.detectable(0.05, 0.8) == pytest.approx(
        (norm.ppf(0.95) + norm.ppf(0.8)) * deviation, rel=1e-4
    )


def test_the_p_of_a_mean_over_tasks_is_exact_too() -> None:
    cells = [Change(KEY, 0.8, 0.78, Noise.known(variance)) for variance in (0.01**2, 0.02**2)]
    found = quality.mean_change(KEY, cells)
    assert found.p(-1) == pytest.approx(norm.sf(0.02 / (math.sqrt(0.01**2 + 0.02**2) / 2)))


@dataclass(frozen=True)
class Options:
    alpha: float = 0.05
    slower: float = 0.0
    larger: float = 0.0
    time_noise: float = 0.0


def student(before: Sequence[float], after: Sequence[float], equal_var: bool) -> float:
    """scipy's p of a growth, in logarithms."""
    found: Any = ttest_ind(np.log(after), np.log(before), alternative="greater", equal_var=equal_var)
    return found.pvalue


def group(make: Callable[..., Record], values: Sequence[float], quantity: str) -> Group:
    """A cell with a seed for each of these seconds, all of them in training, or bytes."""
    records = []
    for seed, value in enumerate(values):
        if quantity == "seconds":
            records.append(make(seed=seed, seconds=Seconds(train=value, cold=value), peak_memory=0))
        else:
            records.append(make(seed=seed, peak_memory=round(value * 2**30)))
    return Group(KEY, tuple(records))


@ORDERS
@pytest.mark.parametrize("quantity", ["seconds", "memory"])
def test_the_p_of_a_cost_is_students_with_the_noise_of_both_runs(
    order: int, quantity: str, record: Callable[..., Record]
) -> None:
    noisy, quiet = [10.0, 13.0, 8.5, 11.5, 9.0], [12.0, 12.1, 12.2]
    before, after = [noisy, quiet][::order]
    found, _ = compare_costs(
        {KEY: (group(record, before, quantity), group(record, after, quantity))}, Options()
    )
    cost = next(item for item in found if item.quantity == quantity)
    expected = student(before, after, equal_var=True)
    assert cost.p == pytest.approx(expected, rel=1e-6)
    apart = student(before, after, equal_var=False)
    assert abs(cost.p - apart) > 0.005  # so that another noise would be seen


def test_the_noise_between_runs_is_counted_for_both(record: Callable[..., Record]) -> None:
    """With seeds that agree, what is left is the noise between two runs: that of one, times the root of two."""
    before, after = (group(record, [seconds, seconds * 1.000001], "seconds") for seconds in (10.0, 11.0))
    found, _ = compare_costs({KEY: (before, after)}, replace(Options(), time_noise=0.05))
    (cost,) = (item for item in found if item.quantity == "seconds")
    assert cost.p == pytest.approx(t.sf(math.log(1.1) / (0.05 * math.sqrt(2)), 2), rel=1e-3)
