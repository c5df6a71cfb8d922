"""The gate's verdicts and noises against a second computation, on both sides of each bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from bench.analysis.groups import Key
from bench.analysis.regression.compare import CompareOptions, RunComparison, judge
from bench.analysis.regression.costs import Cost
from bench.analysis.regression.matching import Finding
from bench.analysis.regression.quality import (
    Change,
    Matched,
    Sample,
    changes,
    identical,
    mean_change,
    paired_noise,
    pooled,
)
from bench.analysis.statistics.clusters import Clusters
from bench.analysis.statistics.dispersion import moderated
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.variance import Components

KEY = Key("reviews", "full", "minilm")
OTHER = Key("news", "full", "minilm")
DEFAULT = CompareOptions()


def change(difference: float, deviation: float, **more: Any) -> Change:
    return Change(more.pop("key", KEY), 0.8, 0.8 + difference, Noise.known(deviation**2), **more)


# --------------------------------------------------------------------------------------------------
# Verdicts


def test_the_budget_of_a_comparison_is_the_documented_one() -> None:
    assert CompareOptions() == CompareOptions(0.005, 0.005, 0.25, 0.10, 0.05, 0.9, ("quality", "missing"))


def test_p_values_are_holms_in_the_direction_found() -> None:
    tested = [change(-0.03, 0.01), change(0.02, 0.01), change(-0.01, 0.01), change(0.0, 0.01)]
    found = judge(tested, DEFAULT)
    down = multipletests([norm.cdf(item.difference / 0.01) for item in tested], method="holm")[1]
    up = multipletests([norm.sf(item.difference / 0.01) for item in tested], method="holm")[1]
    assert [item.p for item in found] == pytest.approx([down[0], up[1], down[2], up[3]], rel=1e-6)
    assert [(item.before, item.after) for item in found] == [(0.8, 0.8 + item.difference) for item in tested]


@pytest.mark.parametrize(
    ("difference", "status"),
    [
        (-0.005, "regressed"),
        (-0.0049, "unchanged"),
        (0.005, "improved"),
        (0.0049, "unchanged"),
        (0.0, "unchanged"),
    ],
)
def test_a_change_counts_from_the_smallest_drop_on(difference: float, status: str) -> None:
    before = 0.8
    (found,) = judge([Change(KEY, before, before + difference, Noise.known(1e-8))], DEFAULT)
    assert found.status == status


@pytest.mark.parametrize(("deviations", "status"), [(2.58, "regressed"), (2.57, "unchanged")])
def test_a_drop_counts_within_the_budget_of_errors(deviations: float, status: str) -> None:
    """The quantile of 0.5% is 2.5758."""
    assert judge([change(-0.01 * deviations, 0.01)], DEFAULT)[0].status == status
    assert judge([change(0.01 * deviations, 0.01)], DEFAULT)[0].status == status.replace(
        "regressed", "improved"
    )


def test_the_detectable_drop_shares_the_budget_among_all_tests() -> None:
    one, two = judge([change(0.0, 0.01), change(0.0, 0.0001)], DEFAULT)
    assert one.detectable == pytest.approx((norm.ppf(1 - 0.0025) + norm.ppf(0.9)) * 0.01, rel=1e-5)
    assert two.detectable == 0.005  # no smaller drop is reported
    (same,) = judge([change(0.0, 0.01, identical=True)], DEFAULT)
    assert (same.status, same.detectable, same.p) == ("identical", 0, 1)


SECONDS = Cost(KEY, "seconds", 1, 2, 0.9, False)
MEMORY = Cost(KEY, "memory", 1, 2, 0.9, False)


def comparison(
    cells: Sequence[Finding] = (),
    strategies: Sequence[Finding] = (),
    costs: Sequence[Cost] = (SECONDS, MEMORY),
    **more: Any,
) -> RunComparison:
    options = CompareOptions(fail_on=("quality", "time", "memory", "missing", "changed"))
    return RunComparison("then", "now", tuple(strategies), tuple(cells), tuple(costs), options, **more)


def of(status: Any, before: float | None = 0.8) -> Finding:
    return Finding(KEY, status, before, None if before is None else 0.8)


@pytest.mark.parametrize(
    ("found", "failures", "code"),
    [
        (comparison([of("unchanged")]), (), 0),
        (comparison([of("improved")]), (), 0),
        (comparison([of("identical")]), (), 0),
        (comparison([of("regressed")]), ("quality",), 1),
        (comparison([of("failed", None)]), ("quality",), 1),
        (comparison([of("unchanged")], [of("regressed")]), ("quality",), 1),
        (comparison([of("missing", None)]), ("missing",), 1),
        (comparison([of("unchanged"), of("incomparable", None)]), (), 2),
        (comparison([of("new", None)]), (), 2),
        (comparison([of("unchanged", None)]), (), 2),
        (comparison([of("unchanged"), of("new", None)]), (), 0),
        (comparison([of("unchanged")], costs=[Cost(KEY, "seconds", 1, 2, 0.0, True)]), ("time",), 1),
        (comparison([of("unchanged")], costs=[Cost(KEY, "memory", 1, 2, 0.0, True)]), ("memory",), 1),
        (comparison([of("unchanged")], costs=[SECONDS]), (), 2),
        (comparison([of("unchanged")], costs=[MEMORY]), (), 2),
        (comparison([of("unchanged")], changed=1), ("changed",), 1),
        (comparison([of("unchanged")], unasked=1), (), 2),
    ],
)
def test_gates_and_exit_codes(found: RunComparison, failures: tuple[str, ...], code: int) -> None:
    assert (found.failures, found.exit_code) == (failures, code)
    assert replace(found, options=CompareOptions(fail_on=())).failures == ()


def test_the_relative_change_of_a_cost() -> None:
    assert Cost(KEY, "seconds", 4.0, 5.0, 0.1, False).change == pytest.approx(0.25)


# --------------------------------------------------------------------------------------------------
# Noise


def side(
    seeds: Sequence[int], scores: Sequence[float], influences: Any, parts: Components, **more: Any
) -> Sample:
    outcomes = more.pop("outcomes", [{"correct": b"x"}] * len(seeds))
    return Sample(parts, "ids", tuple(seeds), np.array(scores), np.array(influences), tuple(outcomes), **more)


LONE = Components(0.8, 1, 4, math.nan, math.nan, 0.01)


def test_one_seed_in_each_run_takes_its_interaction_from_where_they_disagree() -> None:
    before = side([0], [0.8], [[0.1], [0.0], [-0.1], [0.0]], LONE)
    after = side([0], [0.8], [[0.1], [0.4], [-0.1], [-0.4]], LONE, outcomes=[{"correct": b"y"}])
    found = pooled(before, after)
    assert found.interaction == pytest.approx((0.16 + 0.16) * 4 / 3 / 2)
    assert found.seeds == 1
    assert pooled(before, before).interaction == 1 / 16
    outcome = changes({KEY: Matched.of(before, after)})[KEY]
    assert outcome.noise.variances.tolist() == pytest.approx([4 * found.interaction * 2])
    assert outcome.note == "one seed: noise over seeds is assumed"


def cell(seeds: int, variance: float) -> Components:
    return Components(0.8, seeds, 1000, variance, variance / 2, 1e-4)


def test_one_seed_takes_its_noise_from_other_cells_where_there_are_any() -> None:
    many = [side(range(3), [0.8] * 3, np.zeros((4, 3)), cell(3, 1e-4)) for _ in range(2)]
    lone = [
        side([seed], [0.8], [[0.1 * seed], [0.0], [-0.1], [0.0]], LONE, outcomes=[{"correct": bytes([seed])}])
        for seed in (1, 2)
    ]
    other = [replace(item, seeds=(7, 8, 9)) if place else item for place, item in enumerate(many)]
    found = changes({KEY: Matched.of(*lone), OTHER: Matched.of(*other)})
    assert found[KEY].note == "one seed: noise taken from other cells"
    noise = moderated([pooled(lone[0], lone[1]), pooled(other[0], other[1])])
    assert found[KEY].noise.variances == pytest.approx(2 * noise[0].variances)
    assert found[OTHER].noise.variances == pytest.approx((1 / 3 + 1 / 3) * noise[1].variances)


def test_the_paired_noise_is_that_of_the_differences() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.normal(size=(6, 2)) for _ in range(2))
    scores = [np.array([0.80, 0.82]), np.array([0.79, 0.83])]
    sides = [
        side((0, 1), by_seed, influences, cell(2, 1e-4))
        for by_seed, influences in zip(scores, (before, after), strict=True)
    ]
    found = paired_noise({KEY: Matched.of(*sides)})[KEY]
    moved = after - before
    covariance = moved.T @ moved * 6 / 5
    parts = Components(
        0.0,
        2,
        6,
        float(np.var([-0.01, 0.01], ddof=1)),
        float(np.trace(covariance) / 2 - covariance[0, 1]),
        float(covariance[0, 1]),
    )
    parts = replace(parts, interaction=max(parts.interaction, 0.0), example=max(parts.example, 0.0))
    expected = total([Noise.known(parts.example), moderated([parts])[0].scaled(1 / 2)])
    assert found.quantile(0.9) == pytest.approx(expected.quantile(0.9), rel=1e-5)
    documents = Clusters(np.array([0, 0, 1, 1, 2, 3]))
    clustered = [replace(item, clusters=documents) for item in sides]
    summed = np.stack([moved[:2].sum(0), moved[2:4].sum(0), moved[4], moved[5]])
    sizes = np.array([2, 2, 1, 1])
    own = np.diag(
        sizes**2 / 36 * (0.05 + 0.95 / sizes)
    )  # of documents, a twentieth of whose variance is shared
    centring = np.eye(4) - np.outer(sizes / 6, np.ones(4))
    spread = centring @ own @ centring.T
    covariance = summed.T @ summed * own.trace() / spread.trace()
    by_document = Components(
        0.0,
        2,
        4,
        parts.seed,
        max(float(np.trace(covariance) / 2 - covariance[0, 1]), 0.0),
        max(float(covariance[0, 1]), 0.0),
    )
    dof = spread.trace() ** 2 / np.trace(spread @ spread)
    of_documents = Noise.student(by_document.example, dof)
    assert of_documents.quantile(0.9) > 1.1 * Noise.known(by_document.example).quantile(0.9)
    expected = total([of_documents, moderated([by_document])[0].scaled(1 / 2)])
    found = paired_noise({KEY: Matched.of(*clustered)})[KEY]
    assert found.quantile(0.9) == pytest.approx(expected.quantile(0.9), rel=1e-5)
    assert paired_noise({KEY: Matched.of(sides[0], replace(sides[1], seeds=(0, 2)))}) == {}
    one = [replace(item, clusters=Clusters(np.zeros(6, int))) for item in sides]
    assert paired_noise({KEY: Matched.of(*one)}) == {}, "one document says nothing of others"


def test_the_same_seeds_with_the_same_outcomes_are_identical() -> None:
    one = side(
        (0, 1), [0.8, 0.8], np.zeros((2, 2)), cell(2, 1e-4), outcomes=[{"a": b"1", "b": b"2"}, {"a": b"3"}]
    )
    assert identical(one, one)
    assert not identical(one, replace(one, seeds=(0, 2)))
    assert identical(one, replace(one, outcomes=({"a": b"1", "c": b"9"}, {"a": b"3"})))
    assert not identical(one, replace(one, outcomes=({"a": b"1", "b": b"9"}, {"a": b"3"})))
    assert not identical(one, replace(one, outcomes=({"c": b"1"}, {"a": b"3"})))


def test_the_mean_change_of_a_strategy_counts_each_task_alike() -> None:
    cells = [change(-0.02, 0.01, identical=True), Change(OTHER, 0.5, 0.6, Noise.known(0.02**2))]
    found = mean_change(KEY, cells)
    assert (found.before, found.after) == pytest.approx((0.65, 0.69))
    assert found.noise.variances == pytest.approx([(0.01**2 + 0.02**2) / 4])
    assert not found.identical
    assert mean_change(KEY, cells[:1]).identical
