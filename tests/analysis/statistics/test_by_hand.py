"""Statistics against a second computation: by loops, by scipy, or small enough for paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest, chi2, norm, t
from scipy.stats import f as ratio_of_variances

from bench.analysis.groups import Key
from bench.analysis.statistics.dispersion import INTERVALS, moderated
from bench.analysis.statistics.familywise import SHARES, Corrected, Pair, corrected, deviations, share_below
from bench.analysis.statistics.intervals import Interval, estimated, of_cell, student_tail
from bench.analysis.statistics.metrics import Ratios, draw, exact_interval, proportion
from bench.analysis.statistics.noise import Noise, total
from bench.analysis.statistics.over_tasks import Effect, log_spread, random_effects, student
from bench.analysis.statistics.paired import _estimated
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.scales import CORRELATION, ERROR, SHARE, scale_of
from bench.analysis.statistics.variance import (
    Components,
    components,
    linear_covariance,
    shared_variance,
)
from bench.contracts import BenchError

# --------------------------------------------------------------------------------------------------
# Variance components


def test_the_components_of_three_seeds() -> None:
    covariance = np.array([[4.0, 1.0, 0.5], [1.0, 2.0, 1.5], [0.5, 1.5, 3.0]])
    found = components(np.array([0.6, 0.8, 0.7]), covariance, 50)
    assert (found.seeds, found.examples, found.dof, found.unit, found.exact) == (3, 50, 2, 1.0, None)
    assert (found.mean, found.seed) == pytest.approx((0.7, 0.01))
    assert (found.interaction, found.example) == pytest.approx((3 - 1, 1))


def test_a_variance_is_not_negative() -> None:
    apart = components(np.array([0.6, 0.8]), np.array([[3.0, -1.0], [-1.0, 3.0]]), 50)
    assert (apart.example, apart.interaction) == (0, 4)
    together = components(np.array([0.6, 0.8]), np.array([[1.0, 2.0], [2.0, 1.0]]), 50)
    assert (together.example, together.interaction) == (2, 0)
    assert shared_variance(np.array([[1.0, -1.0], [-1.0, 1.0], [0.5, -0.5]])) == 0


def test_one_seed_has_the_variance_of_its_examples_alone() -> None:
    found = components(np.array([0.6]), np.array([[0.5]]), 50)
    assert (found.example, found.dof) == (0.5, 0)
    assert math.isnan(found.seed)
    assert math.isnan(found.interaction)


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_the_variance_that_seeds_share_is_their_mean_covariance(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    draws = rng.normal(size=(40, 1)) + 0.5 * rng.normal(size=(40, seeds))
    covariance = np.atleast_2d(np.cov(draws, rowvar=False))
    off = [covariance[a, b] for a in range(seeds) for b in range(seeds) if a != b] or [covariance[0, 0]]
    assert shared_variance(draws) == pytest.approx(np.mean(off))
    assert components(np.zeros(seeds), covariance, 9).example == pytest.approx(np.mean(off))


def test_the_covariance_of_influences() -> None:
    influences = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    assert linear_covariance(influences).tolist() == [[3, 1.5], [1.5, 7.5]]
    assert linear_covariance(np.array([[2.0]])).tolist() == [[4]]


# --------------------------------------------------------------------------------------------------
# Exact intervals


def shares(right: int, units: int, size: float = 1.0) -> Ratios:
    return Ratios(size * (np.arange(units) < right)[:, None].astype(float), np.full((units, 1), size))


@pytest.mark.parametrize(("right", "exact"), [(4, True), (5, False), (15, False), (16, True)])
def test_fewer_than_five_units_on_one_side_have_the_exact_interval(right: int, exact: bool) -> None:
    expected = binomtest(right, 20).proportion_ci(0.95, "exact")
    found = exact_interval([shares(right, 20)])
    assert found == (pytest.approx((expected.low, expected.high)) if exact else None)


@pytest.mark.parametrize(
    "scores",
    [
        [shares(19, 20), shares(19, 20)],
        [shares(19, 20), shares(20, 20)],
        [shares(19, 20, size=2.0)],
        [shares(19, 20, size=0.5)],
        [Ratios(np.array([[0.5], [0.0], [1.0]]), np.ones((3, 1)))],
        [Ratios(np.zeros((3, 1)), np.zeros((3, 1)))],
    ],
    ids=["two seeds", "one of two all right", "units of two", "of a half", "half right", "no units"],
)
def test_what_is_no_share_of_one_seed_has_none(scores: list[Ratios]) -> None:
    assert exact_interval(scores) is None


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_the_level_of_an_exact_interval(level: float) -> None:
    for right in (0, 3, 10):
        expected = binomtest(right, 10).proportion_ci(level, "exact")
        assert proportion(right, 10, level) == pytest.approx((expected.low, expected.high))
        assert exact_interval([shares(right, 10)], level) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("units", [(3, 200), (5, 7), (1, 40)])
def test_the_bound_of_two_labels_is_the_least_mean_that_they_can_have(units: tuple[int, int]) -> None:
    """By trying every share of the first label."""
    few, many = units
    first = np.linspace(0.025 ** (1 / few), 1, 400_001)
    second = np.exp((math.log(0.025) - few * np.log(first)) / many)
    least = ((first + second) / 2)[second <= 1].min()
    labels = np.zeros((few + many, 2))
    labels[:few, 0] = labels[few:, 1] = 1
    found = exact_interval([Ratios(labels, labels)])
    assert found == (pytest.approx(least, rel=1e-5), 1.0)


# --------------------------------------------------------------------------------------------------
# Scales


@pytest.mark.parametrize(("mean", "place"), [(1.0, 0.995), (0.0, 0.005), (0.999, 0.995), (0.9, 0.9)])
def test_log_odds_stay_half_an_example_from_the_ends(mean: float, place: float) -> None:
    assert SHARE.level(mean, 100) == pytest.approx(math.log(place / (1 - place)))
    assert SHARE.slope(mean, 100) == pytest.approx(1 / (place * (1 - place)))
    assert CORRELATION.level(2 * mean - 1, 100) == pytest.approx(math.log(place / (1 - place)))
    assert CORRELATION.slope(2 * mean - 1, 100) == pytest.approx(1 / (2 * place * (1 - place)))


def test_no_example_leaves_the_middle() -> None:
    assert SHARE.level(0.9, 0) == 0


def test_errors_are_tested_as_they_are() -> None:
    assert (ERROR.level(3.2, 10), ERROR.slope(3.2, 10), ERROR.better) == (3.2, 1.0, -1)
    assert (SHARE.better, CORRELATION.better) == (1, 1)


def test_a_score_is_cut_to_what_it_may_be() -> None:
    assert [SHARE.within(value) for value in (-0.1, 0.4, 1.2)] == [0, 0.4, 1]
    assert [CORRELATION.within(value) for value in (-1.1, -0.4, 1.2)] == [-1, -0.4, 1]
    assert [ERROR.within(value) for value in (-1.0, 40.0)] == [0, 40]


def test_one_example_moves_an_error_by_its_size_and_another_score_by_one() -> None:
    assert [ERROR.unit(value) for value in (2.5, -2.5, 0.0)] == [2.5, 2.5, 1.0]
    assert (SHARE.unit(0.3), CORRELATION.unit(-0.3)) == (1.0, 1.0)


def test_the_scale_of_each_kind() -> None:
    kinds = ("mean", "ratio", "f1", "macro_f1", "class_f1", "sets_f1", "")
    assert {scale_of(kind) for kind in kinds} == {SHARE}
    assert {scale_of(kind) for kind in ("pearson", "spearman", "mcc")} == {CORRELATION}
    assert scale_of("error") == ERROR


# --------------------------------------------------------------------------------------------------
# Noise

MIXED = Noise(np.array([1.0, 4.0, 9.0]), np.array([0.5, 0.3, 0.2]))


def tail(noise: Noise, x: float) -> float:
    """By scipy, variance by variance."""
    pairs = zip(noise.variances.tolist(), noise.weights.tolist(), strict=True)
    return sum(weight * norm.sf(x / math.sqrt(variance)) for variance, weight in pairs)


def test_a_mixture_has_the_tails_of_its_parts() -> None:
    for x in (-2.0, 0.0, 1.5, 6.0):
        assert MIXED.tail(x) == pytest.approx(tail(MIXED, x))
    assert MIXED.scaled(4.0).tail(3.0) == pytest.approx(tail(MIXED, 1.5))


@pytest.mark.parametrize("probability", [0.6, 0.975, 0.9999])
def test_the_quantile_of_a_mixture(probability: float) -> None:
    expected = brentq(lambda x: tail(MIXED, x) - (1 - probability), 0, 30)
    assert MIXED.quantile(probability) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("known", [0.0, 2.0])
def test_draws_leave_out_what_is_known(known: float) -> None:
    drawn = MIXED.draws(200_000, np.random.default_rng(0), known)
    variance = sum(
        weight * max(value - known, 0) for value, weight in zip(MIXED.variances, MIXED.weights, strict=True)
    )
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.var() == pytest.approx(variance, rel=0.02)


def test_a_sum_of_few_parts_is_exact() -> None:
    other = Noise(np.array([0.5, 2.0]), np.array([0.25, 0.75]))
    found = total([MIXED, other, Noise.known(3.0)])
    for x in (0.7, 3.0):
        expected = sum(
            first * second * norm.sf(x / math.sqrt(a + b + 3.0))
            for a, first in zip(MIXED.variances, MIXED.weights, strict=True)
            for b, second in zip(other.variances, other.weights, strict=True)
        )
        assert found.tail(x) == pytest.approx(expected)


def test_a_sum_of_many_parts_has_their_tails_nearly() -> None:
    grid, rng = np.geomspace(1.0, 1e5, 97), np.random.default_rng(0)
    first, second = (Noise(grid, rng.dirichlet(np.ones(97))) for _ in range(2))
    found = total([first, second])
    for x in (1.0, 30.0, 600.0):
        parts = norm.sf(x / np.sqrt(np.add.outer(grid, grid)))
        expected = first.weights @ parts @ second.weights
        assert found.tail(x) == pytest.approx(expected, rel=2e-3)


# --------------------------------------------------------------------------------------------------
# Intervals


def test_the_interval_of_four_seeds() -> None:
    parts = Components(0.7, 4, 100, 0.0016, 0.001, 0.0004)
    found = of_cell(parts, Noise.known(0.0016))
    half = norm.ppf(0.975) * math.sqrt(0.0004 + 0.0016 / 4)
    assert (found.low, found.high) == pytest.approx((0.7 - half, 0.7 + half), abs=1e-6)
    assert found.seeds == 4
    assert of_cell(replace(parts, seeds=1), Noise.known(0.0016)).half == pytest.approx(
        norm.ppf(0.975) * 0.02, rel=1e-5
    )
    narrow = estimated(parts, Noise.known(0.01), 0.9)
    assert narrow.half == pytest.approx(norm.ppf(0.95) * 0.1, rel=1e-5)


def test_exact_bounds_take_the_place_of_a_half() -> None:
    parts = Components(0.9, 1, 10, math.nan, math.nan, 0.01, exact=(0.6, 0.95))
    found = of_cell(parts, Noise.known(1.0))
    assert found == Interval(0.9, pytest.approx(0.3), found.noise, 1, (0.6, 0.95))
    assert (found.low, found.high) == (0.6, 0.95)


def test_students_tail() -> None:
    assert student_tail(1.7, 4) == pytest.approx(t.sf(1.7, 4))
    assert student_tail(1.7, math.inf) == pytest.approx(norm.sf(1.7))


# --------------------------------------------------------------------------------------------------
# Moderation

GRID = [10 ** (5 * place / 96) for place in range(97)]
SCALES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
CELLS = [
    Components(0.8, 3, 1000, 0.002, 0.001, 0.0),
    Components(0.7, 5, 1000, 0.03, 0.001, 0.0),
    Components(0.9, 2, 500, 0.0004, 0.0003, 0.0),
    Components(0.6, 1, 500, math.nan, math.nan, 0.01),
]


def posteriors(
    found: Sequence[tuple[int, float]],
    steps: int,
    rate: float,
    wildest: float,
    odds: Sequence[tuple[float, float]],
) -> np.ndarray:
    """The weights of every dispersion [cells, dispersions], by Bayes' rule, candidate by candidate. found: degrees
    of freedom and dispersion of each cell. steps: of 0.3 that a location takes. odds: of shares of wild cells."""
    grid = np.array(GRID)
    likelihoods = np.array(
        [chi2.pdf(dof * ratio / grid, dof) / grid if dof else np.ones(97) for dof, ratio in found]
    )
    sums, whole = np.zeros((len(found), 97)), 0.0
    wild = (grid <= wildest) / (grid <= wildest).sum()
    for share, probability in odds:
        for step in range(steps + 1):
            for scale in SCALES:
                density = t.pdf((np.log(grid) - 0.3 * step) / scale, 3)
                joint = ((1 - share) * density / density.sum() + share * wild) * likelihoods
                evidence = joint.sum(1)
                weight = probability * math.exp(-rate * 0.3 * step) * evidence.prod()
                sums += weight * joint / evidence[:, None]
                whole += weight
    return sums / whole


def test_the_noise_of_tests_is_the_posterior_of_the_documented_prior() -> None:
    cells = [(cell.dof, cell.seed / cell.interaction if cell.dof else 0.0) for cell in CELLS]
    expected = posteriors(cells, 15, 1.6, 300, [(0, 3 / 4), (0.1, 1 / 12), (0.2, 1 / 12), (0.3, 1 / 12)])
    found = moderated(CELLS)
    for noise, weights, cell in zip(found, expected, CELLS, strict=True):
        unit = cell.interaction if cell.dof else 1 / 500**2
        assert noise.variances == pytest.approx(unit * np.array(GRID))
        assert noise.weights == pytest.approx(weights, abs=1e-9)


def test_the_noise_of_intervals_is_that_of_a_wider_one() -> None:
    expected = posteriors([(2, 2.0)], 23, 0.1, 1000, [(0.4, 1 / 3), (0.5, 1 / 3), (0.6, 1 / 3)])
    (found,) = moderated(CELLS[:1], INTERVALS)
    assert found.weights == pytest.approx(expected[0], abs=1e-9)


def test_many_seeds_know_their_own_noise_however_large() -> None:
    """Their likelihood is far below what a float holds."""
    (found,) = moderated([Components(0.5, 401, 1000, 1.0, 1e-4, 0.0)])
    assert np.isfinite(found.weights).all()
    assert found.quantile(0.975) == pytest.approx(norm.ppf(0.975), rel=0.1)


def test_seeds_that_agree_have_the_noise_of_one_example() -> None:
    cell = Components(0.8, 3, 10, 0.0, 0.0, 0.0, unit=2.0)
    assert moderated([cell])[0].variances == pytest.approx(0.04 * np.array(GRID))
    assert moderated([replace(cell, examples=0)])[0].variances == pytest.approx(4 * np.array(GRID))
    assert moderated([replace(cell, interaction=1.0)])[0].variances == pytest.approx(GRID)


# --------------------------------------------------------------------------------------------------
# Families


def test_several_families_divide_the_error() -> None:
    assert Corrected((0.02, 0.6), 0.05).divided(2) == Corrected((0.04, 1.0), 0.025)
    assert Corrected((0.02,), 0.05).divided(1) == Corrected((0.02,), 0.05)


def test_a_draw_as_small_as_the_pair_counts_and_so_does_the_pair() -> None:
    assert share_below(np.array([0.1, 0.2, 0.3]), 0.2) == 3 / 4
    assert share_below(np.array([0.1, 0.2, 0.3]), 0.05) == 1 / 4


def test_how_far_out_a_p_value_is() -> None:
    for place, share in enumerate(SHARES):
        assert deviations(np.array([0.001]))[place, 0] == pytest.approx(norm.isf(0.001 / (2 * share)))
    assert deviations(np.array([0.5]))[3, 0] == -math.inf


def test_the_p_values_of_draws_are_those_of_the_noise() -> None:
    null = np.random.default_rng(0).normal(size=2000)
    assert Pair(0.0, Noise.known(1.0), null).null_p() == pytest.approx(2 * norm.sf(np.abs(null)), rel=5e-3)
    assert Pair(0.0, Noise.known(1.0), null).p == 1
    assert Pair(-1.3, Noise.known(4.0), null).p == pytest.approx(2 * norm.sf(0.65))


def test_the_step_down_correction_is_that_of_westfall_and_young() -> None:
    rng = np.random.default_rng(4)
    shared = rng.normal(size=400)
    family = [
        Pair(difference, Noise.known(1.0), 0.6 * shared + 0.8 * rng.normal(size=400))
        for difference in (0.3, -2.9, 1.9, 2.3, -0.8)
    ]
    own = [2 * norm.sf(abs(pair.difference)) for pair in family]
    order = sorted(range(5), key=lambda place: own[place])
    nulls = [pair.null_p() for pair in family]
    adjusted, most = [0.0] * 5, 0.0
    for rank, place in enumerate(order):
        remaining = order[rank:]
        hits = sum(min(nulls[other][draw] for other in remaining) <= own[place] for draw in range(400))
        most = max(most, (1 + hits) / 401)
        holm = max(min((5 - earlier) * own[order[earlier]], 1) for earlier in range(rank + 1))
        adjusted[place] = max(min(most, holm), own[place])
    found = corrected(family)
    assert found.adjusted == pytest.approx(adjusted)
    smallest = np.min(nulls, axis=0)
    assert found.critical == pytest.approx(max(np.quantile(smallest, 0.05), 0.01))


def test_a_family_without_pairs_or_of_exact_tests_alone() -> None:
    assert corrected([]) == Corrected((), 0.05)
    pairs = [Pair(1.0, Noise.known(1.0), np.zeros(9), exact=p) for p in (0.04, 0.01)]
    assert corrected(pairs) == Corrected((0.04, 0.02), 0.025)


# --------------------------------------------------------------------------------------------------
# Over tasks


def test_the_mean_of_tasks_of_equal_noise_has_students_interval() -> None:
    """Where tasks differ by more than their noise, weights are equal and the error is that of a plain mean."""
    values = np.array([0.1, 0.2, 0.3, 0.6])
    found = random_effects([Effect(value, 1e-4, 0, 0) for value in values])
    error = values.std(ddof=1) / 2
    half = t.ppf(0.975, 3) * error
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), rel=1e-4)
    assert found.variance == pytest.approx(error**2, rel=1e-4)


def test_a_noisier_task_weighs_less_where_tasks_agree() -> None:
    found = random_effects([Effect(0.1, 0.01, 0, 0), Effect(0.13, 0.04, 0, 0), Effect(0.1, 0.01, 0, 0)])
    assert found.value == pytest.approx((100 * 0.1 + 25 * 0.13 + 100 * 0.1) / 225, rel=1e-6)


def test_students_quantile() -> None:
    assert [student(dof) for dof in (1, 4, 30)] == pytest.approx(t.ppf(0.975, [1, 4, 30]).tolist())


@pytest.mark.parametrize(("sizes", "trimmed"), [((6, 9), (2, 2)), ((4, 20), (1, 2)), ((5, 30), (2, 2))])
def test_the_ratio_of_spreads_is_bonetts_but_no_narrower_than_of_normal_scores(
    sizes: tuple[int, int], trimmed: tuple[int, int]
) -> None:
    rng = np.random.default_rng(sum(sizes))
    samples = [factor * rng.gamma(2.0, size=size) for factor, size in zip((1, 3), sizes, strict=True)]
    fourths, deviations_ = [], []
    for sample, cut in zip(samples, trimmed, strict=True):
        spread = math.sqrt(sum((value - sample.mean()) ** 2 for value in sample) / (len(sample) - 1))
        middle = np.sort(sample)[cut:-cut].mean()
        fourths.append(sum((value - middle) ** 4 for value in sample) / spread**4)
        deviations_.append(spread)
    kurtosis = sum(sizes) * sum(fourths) / (sum(sizes) - 2) ** 2
    variance = sum((kurtosis - (size - 3) / size) / (4 * (size - 1)) for size in sizes)
    found, half = log_spread(*samples), 1.96 * math.sqrt(variance)
    normal = [
        math.log(ratio_of_variances.ppf(0.975, one - 1, other - 1)) / 2 for one, other in (sizes, sizes[::-1])
    ]
    down, up = (max(half, least) for least in normal)
    assert found.value == pytest.approx(math.log(deviations_[0] / deviations_[1]))
    assert (found.low, found.high) == pytest.approx((found.value - down, found.value + up))
    assert found.variance == pytest.approx(((down + up) / 2 / 1.96) ** 2)


# --------------------------------------------------------------------------------------------------
# Resampled scores


def test_scores_are_tested_linearised_at_their_mean() -> None:
    given = Resampled((0, 1), np.array([0.6, 0.8]), np.array([[0.5, 0.9], [0.7, 0.7]]), np.arange(10))
    found = given.tested()
    level = math.log(0.7 / 0.3)
    assert given.slope() == pytest.approx(1 / 0.21)
    assert found.scores == pytest.approx(level + np.array([-0.1, 0.1]) / 0.21)
    assert found.draws == pytest.approx(level + np.array([[-0.2, 0.2], [0.0, 0.0]]) / 0.21)


def test_errors_are_turned_round_so_that_higher_is_better() -> None:
    given = Resampled((0,), np.array([2.0]), np.array([[4.0]]), np.arange(3), scale=ERROR)
    assert (given.oriented().scores[0], given.oriented().draws[0, 0]) == (-2, -4)
    plain = replace(given, scale=SHARE).oriented()
    assert (plain.scores[0], plain.draws[0, 0]) == (2, 4)


@pytest.mark.parametrize("others", [(0, 1), (1, 2)])
def test_a_difference_keeps_the_larger_unit_and_no_exact_interval(others: tuple[int, ...]) -> None:
    scores, draws = np.array([0.5, 0.6]), np.ones((3, 2))
    one = Resampled((0, 1), scores, draws, np.arange(3), 2, (0.1, 0.9), ERROR, 2.0)
    other = Resampled(others, scores, draws, np.arange(3), 2, (0.1, 0.9), ERROR, 5.0)
    for first, second in ((one, other), (other, one)):
        found = first.minus(second)
        assert found is not None
        assert (found.unit, found.exact, found.scale, found.clusters) == (5.0, None, ERROR, 2)


def test_the_draws_of_a_score() -> None:
    score = shares(30, 40)
    assert draw([score, score]).shape == (1000, 2)
    empty = Ratios(np.zeros((0, 1)), np.zeros((0, 1)))
    assert draw([empty, empty], 7).tolist() == [[0, 0]] * 7
    with pytest.raises(BenchError) as error:
        draw([score, shares(3, 4)])
    assert error.value.code == "different-test-sets"


@pytest.mark.parametrize(("seeds", "of_seeds"), [(1, 0.0), (2, 0.04 / 2 + 0.09 / 2)])
def test_a_difference_of_several_seeds_has_the_noise_of_both_groups(seeds: int, of_seeds: float) -> None:
    first, second = Key("t", "full", "b"), Key("t", "lora", "b")
    draws = 0.5 + 0.01 * np.random.default_rng(0).normal(size=(1000, seeds))
    minus = Resampled(tuple(range(seeds)), np.full(seeds, 0.5), draws, np.arange(100))
    noise = {(first, "accuracy"): Noise.known(0.04), (second, "accuracy"): Noise.known(0.09)}
    found, parts = _estimated(minus, noise, (first, second, "accuracy")), minus.components()
    expected = estimated(parts, Noise.known(parts.example + of_seeds))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
