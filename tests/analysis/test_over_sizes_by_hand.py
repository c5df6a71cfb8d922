"""Rankings, curves, shifts and convergence against a second computation, where the answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, t, trim_mean

from bench.analysis import convergence, crossovers, ranking
from bench.analysis.class_counts import ClassCounts, class_names, count_classes
from bench.analysis.crossovers import Crossover, crossing, crossover, sentences
from bench.analysis.derived import bins_of, calibration_terms, softmax
from bench.analysis.entities import types
from bench.analysis.groups import Key
from bench.analysis.held import held
from bench.analysis.ranking import Estimated, _aggregate, _beats, _friedman, _Over, _ranking
from bench.analysis.shift import weighted
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.over_tasks import nemenyi
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.scales import CORRELATION, ERROR
from bench.analysis.tables import ranks
from bench.runs.record import Point
from tests.analysis.conftest import make_record

FULL, LORA, FROZEN = ("full", "m"), ("lora", "m"), ("frozen", "m")


def scores(*by_seed: float, draws: int = 40, spread: float = 0.0, random: int = 0, **more: Any) -> Resampled:
    rng = np.random.default_rng(random)
    values = np.array(by_seed)
    moved = values + spread * rng.normal(size=(draws, len(by_seed)))
    return Resampled(tuple(range(len(by_seed))), values, moved, np.arange(9), **more)


# --------------------------------------------------------------------------------------------------
# Rankings


def test_the_interval_over_tasks_is_expanded_as_students_is() -> None:
    over = _Over(np.array([[0, 0, 1], [2, 1, 1]]))
    assert over.factor == pytest.approx(math.sqrt(3 / 2) * t.ppf(0.975, 2) / 1.96)
    values = np.array([[1.0, 2.0, 6.0], [3.0, 5.0, 10.0]])
    assert over.mean(values).tolist() == pytest.approx([(1 + 1 + 2) / 3, (10 + 5 + 5) / 3])
    draws = np.linspace(-1, 1, 1001) + 7
    factor = over.factor
    assert over.expanded(2.0, draws, -9, 9) == Estimated(
        2.0, pytest.approx(2 - 0.95 * factor), pytest.approx(2 + 0.95 * factor)
    )
    assert over.expanded(0.5, draws) == Estimated(0.5, 0.0, 1.0)
    assert over.expanded(0.5, np.full(9, 3.0)) == Estimated(0.5, 0.5, 0.5)


def test_a_tie_is_half_a_win() -> None:
    draws = np.array(
        [
            [[0.8, 0.7], [0.5, 0.5]],
            [[0.8, 0.9], [0.5, 0.6]],
            [[0.8, 0.8], [0.5, 0.4]],
            [[0.8, 0.9], [0.5, 0.5]],
        ]
    )
    found = _beats(draws, [FULL, LORA], 1)
    assert found is not None
    assert found.tolist() == [(0 + 1 + 0.5 + 1) / 4, (0.5 + 1 + 0 + 0.5) / 4]
    assert _beats(draws, [FULL, LORA], 0) is None
    assert _beats(draws, [("full", "other"), LORA], 1) is None


def test_friedmans_test_needs_three_strategies_that_differ_somewhere() -> None:
    means = np.array([[0.7, 0.8, 0.9], [0.6, 0.9, 0.7], [0.5, 0.6, 0.8]])
    assert _friedman(means) == pytest.approx(friedmanchisquare(*means.T).pvalue)
    assert _friedman(means[:, :2]) is None
    assert _friedman(np.full((3, 3), 0.5)) is None


def test_the_aggregate_of_steady_seeds_is_their_interquartile_mean() -> None:
    column = [scores(0.7, 0.7, 0.7), scores(0.9, 0.9, 0.9)]
    assert _aggregate(column, 3) == Estimated(pytest.approx(0.8), pytest.approx(0.8), pytest.approx(0.8))
    wide = _aggregate([scores(0.01, 0.5, 0.99, draws=4000)], 3)
    assert wide.value == pytest.approx(0.5)
    assert wide.low == 0
    assert wide.high == 1
    negative = _aggregate([scores(-0.9, -0.5, 0.2, draws=4000, scale=CORRELATION)], 3)
    assert -1 <= negative.low < -0.6


def test_the_aggregate_draws_seeds_with_their_whole_variance() -> None:
    """Of four tasks of three seeds each. A draw's mean over seeds is widened by n / (n - 1)."""
    rng = np.random.default_rng(3)
    values = rng.normal(0.6, 0.05, (4, 3))
    found = _aggregate([scores(*row, draws=20_000) for row in values], 3)
    picked = values[np.arange(4)[None, :, None], rng.integers(3, size=(20_000, 4, 3))]
    means = picked.mean((0, 2), keepdims=True)
    widened = (means + (picked - means) * math.sqrt(3 / 2)).reshape(20_000, -1)
    draws = trim_mean(widened, 0.25, axis=1)
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    assert found.low == pytest.approx(found.value + low, abs=2e-3)
    assert found.high == pytest.approx(found.value + high, abs=2e-3)


def test_a_task_has_the_same_weight_whatever_its_seeds() -> None:
    """Three seeds stand for five scores each, and five seeds for three: 11 of 45 are left out on each side."""
    means = np.array([[0.9, 0.9], [0.8, 0.8], [0.5, 0.5]])
    seeds = np.array([[3, 3], [3, 3], [3, 5]])
    table = [
        [scores(*[mean] * count) for mean, count in zip(*row, strict=True)]
        for row in zip(means.tolist(), seeds.tolist(), strict=True)
    ]
    found = _ranking(table, list("abc"), [FULL, LORA], [], np.repeat(means[None], 50, axis=0))
    expected = pytest.approx((4 * 0.5 + 15 * 0.8 + 4 * 0.9) / 23)
    assert [item.score for item in found.rows] == [Estimated(expected, expected, expected)] * 2


def test_a_ranking_of_known_scores() -> None:
    """Three tasks, three strategies: full first on two tasks, lora on one; no noise at all."""
    means = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.8, 0.9, 0.7]])
    table = [[scores(value, value - 0.1, value + 0.1) for value in row] for row in means]
    draws = np.repeat(means[None], 3000, axis=0)
    found = _ranking(table, ["a@10", "b", "c"], [FULL, LORA, FROZEN], [("x", "m")], draws)
    assert found.tasks == ("a", "b", "c")
    assert [(item.row, item.rank.value) for item in found.rows] == [
        (FULL, pytest.approx(4 / 3)),
        (LORA, pytest.approx(5 / 3)),
        (FROZEN, 3.0),
    ]
    assert (found.seeds, found.absent, found.critical) == (3, (("x", "m"),), nemenyi(3, 3))
    full, lora, frozen = found.rows
    assert frozen.rank == Estimated(3.0, 3.0, 3.0)
    assert full.rank.low == 1
    assert lora.beats is not None
    assert lora.beats.value == pytest.approx(1 / 3)
    assert frozen.beats == Estimated(0.0, 0.0, 0.0)
    # the mean rank of full is lower where two of three drawn tasks are its own: 20 of 27
    assert full.first == pytest.approx(20 / 27, abs=0.03)
    assert full.first + lora.first == pytest.approx(1)
    assert full.best is not None
    assert full.best == pytest.approx(means[:, 0].mean() + 0.1 * (19 - 1) / 27)
    two = _ranking(
        [[replace(item, seeds=(0, 1)) for item in row] for row in table],
        list("abc"),
        [FULL, LORA, FROZEN],
        [],
        draws,
    )
    assert (two.seeds, {item.score for item in two.rows}) == (2, {None})
    errors = [[replace(item, scale=ERROR) for item in row] for row in table]
    none = _ranking(errors, list("abc"), [FULL, LORA, FROZEN], [], draws)
    assert {(item.score, item.best) for item in none.rows} == {(None, None)}
    assert (two.errors, none.errors) == (False, True)


def test_the_table_of_a_ranking_marks_what_is_within_the_critical_difference() -> None:
    rows = tuple(
        ranking.Ranked(
            (name, "m"), Estimated(value, value - 0.5, value + 0.25), None, Estimated(0.4, 0.1, 0.6), 0.2, 0.9
        )
        for name, value in (("a", 1.0), ("b", 2.9), ("c", 3.0))
    )
    found = ranks.table(ranking.Ranking(("x", "y", "z"), rows, 2.0, 0.0009, 2))
    assert [row.entries[0].mark for row in found.blocks[0].rows] == ["best", "tied", ""]
    entries = found.blocks[0].rows[1].entries
    assert [item.value for item in entries] == [2.9, 2.4, 3.15, None, 0.4, 0.2, 0.9]
    assert (entries[4].spread, entries[4].bounds) == (pytest.approx(0.3), (0.1, 0.6))
    text = " ".join(found.notes)
    assert "Critical difference 2.00" in text
    assert "p < 0.001" in text
    assert "An interquartile mean needs 3 seeds of every strategy; here are 2 seeds." in text
    assert "Best of 2 seeds: the mean over tasks of the expected best score of 2 runs" in text
    other = " ".join(ranks.table(ranking.Ranking(("x",), rows, 2.0, 0.001, 3, errors=True)).notes)
    assert "p = 0.001" in other
    assert "Errors have the units of their tasks" in other


# --------------------------------------------------------------------------------------------------
# Curves


@pytest.mark.parametrize(
    ("differences", "size"),
    [
        ([-1.0, 3.0, 1.0], 100 * 2**0.25),
        ([0.0, 1.0, 1.0], 100.0),
        ([1.0, 1.0, 0.0], math.inf),
        ([1.0, -3.0, 1.0], 200 * 4**0.75),
    ],
)
def test_a_crossing_is_interpolated_in_the_logarithm_of_the_size(
    differences: list[float], size: float
) -> None:
    assert crossing((100, 200, 800), np.array(differences)) == pytest.approx(size)


def test_the_interval_of_a_crossover_is_that_of_its_draws() -> None:
    sizes, rng = (100, 400), np.random.default_rng(0)
    before, after = (
        Resampled((0,), np.array([mean]), mean + 0.01 * rng.normal(size=(4000, 1)), np.arange(9))
        for mean in (-0.1, 0.1)
    )
    silent = [Noise.known(0.0)] * 2
    size, low, high = crossover(sizes, [before, after], silent)
    centred = [item.draws[:, 0] - item.draws.mean() + item.scores[0] for item in (before, after)]
    points = 100 * 4 ** (-centred[0] / (centred[1] - centred[0]))
    assert size == pytest.approx(200)
    assert (low, high) == pytest.approx(tuple(np.quantile(points, [0.025, 0.975])), rel=1e-3)


def test_what_is_said_of_the_pairs_of_a_task() -> None:
    ahead = Crossover(FROZEN, FULL, (100, 400), 0.0, 0.0, 0.0, (100, 400))
    last = replace(ahead, second=LORA, ahead=(400,))
    open_ = Crossover(FROZEN, LORA, (100, 400), 200.0, 0.0, math.inf)
    clear = Crossover(FROZEN, FULL, (100, 4000), 1234.0, 567.8, 2345.6, (4000,), (100,))
    assert sentences("t", [ahead, last, open_, clear, replace(clear, holds=False)]) == [
        "t: below about 1,200 training examples frozen m is ahead of full m, above it full m of frozen m (told "
        "apart at 100, and at 4,000; 95% interval of the crossover, for this pair alone: 568 to 2,346).",
        "t: below about 1,200 training examples frozen m is ahead of full m, above it full m of frozen m (told "
        "apart at 100, and at 4,000; no interval of the crossover: one seed, or some that learned nothing).",
        "t, no crossover shown: full m is ahead of frozen m at every size; lora m is ahead of frozen m at 400.",
        "t, not told apart at the largest size, crossover unknown: frozen m and lora m.",
    ]


def test_a_size_below_the_crossing_is_not_said_to_show_what_is_above_it() -> None:
    twice = Crossover(FROZEN, FULL, (100, 200, 400), 300.0, 250.0, 350.0, (100, 400), (200,))
    (note,) = sentences("t", [twice])
    assert "(told apart at 200, and at 400; " in note


@pytest.mark.parametrize(
    ("size", "rounded"), [(7.4, 7), (44.4, 44), (256.0, 260), (1249.0, 1200), (98_700.0, 99_000)]
)
def test_a_crossover_has_two_digits(size: float, rounded: int) -> None:
    assert crossovers._rounded(size) == rounded


# --------------------------------------------------------------------------------------------------
# Shifts


def test_a_weighted_sum_of_independent_test_sets() -> None:
    one, other = scores(0.8, 0.9, spread=0.1, unit=2.0), scores(0.5, 0.7, spread=0.1, random=1, unit=3.0)
    other = replace(other, ids=np.arange(5), clusters=4)
    found = weighted([(1.0, one), (-0.5, other)])
    assert found is not None
    assert found.scores == pytest.approx([0.8 - 0.25, 0.9 - 0.35])
    expected = np.random.default_rng(0).permutation(one.draws) - 0.5 * np.random.default_rng(1).permutation(
        other.draws
    )
    assert found.draws == pytest.approx(expected)
    assert (found.unit, found.clusters, len(found.ids), found.exact) == (3.0, 4, 14, None)


# --------------------------------------------------------------------------------------------------
# Convergence


def losing(*losses: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=n, epoch=n, seconds=n, phase=1, train_loss=1, loss=loss, score=0.5)
        for n, loss in enumerate(losses, 1)
    )


@pytest.mark.parametrize(("last", "expected"), [(0.989, True), (0.991, False)])
def test_a_loss_falls_where_it_falls_by_a_hundredth(last: float, expected: bool) -> None:
    assert convergence.unconverged(make_record(curve=losing(2.0, 1.0, last))) is expected
    assert convergence.unconverged(make_record(curve=losing(1.0, last))) is expected


@pytest.mark.parametrize(
    ("values", "share", "step"),
    [
        ((0.7201, 0.8), 0.9, 1),
        ((0.719, 0.8), 0.9, 2),
        ((0.7921, 0.8), 0.99, 1),
        ((-0.5, -0.2), 0.9, 2),
        ((0.0, 0.0), 0.9, 1),
    ],
)
def test_a_share_is_reached_from_it_on(values: tuple[float, ...], share: float, step: int) -> None:
    points = tuple(replace(point, score=score) for point, score in zip(losing(1, 1), values, strict=True))
    found = convergence.reached(points, share)
    assert found is not None
    assert found.step == step


# --------------------------------------------------------------------------------------------------
# Counts and measures of single examples


def test_bins_have_equal_mass_and_gaps_the_sign_of_their_bin() -> None:
    sure = np.linspace(0.31, 0.9, 60)[::-1]
    assert bins_of(sure).tolist() == [place // 4 for place in range(59, -1, -1)]
    right = np.array([1, 1, 0, 1] * 15)
    terms = calibration_terms(sure, right)
    expected = (
        sum(abs((sure[start : start + 4] - right[start : start + 4]).mean()) * 4 for start in range(0, 60, 4))
        / 60
    )
    assert terms.mean() == pytest.approx(expected)
    assert bins_of(np.array([])).tolist() == []
    assert softmax(np.array([[1000.0, 1000.0], [0.0, math.log(3)]])) == pytest.approx(
        np.array([[0.5, 0.5], [0.25, 0.75]])
    )


def test_counts_of_classes() -> None:
    rows = {
        "reference": np.array(["a", "b", "a", "b", "b"], object),
        "prediction": np.array(["a", "a", "c", "b", "b"], object),
    }
    assert class_names("classification", [rows]) == ("b", "a", "c")
    other = {**rows, "prediction": np.array(["d"] * 5, object)}
    assert class_names("classification", [rows, other]) == ("b", "a", "c", "d")
    found = count_classes("classification", ("b", "a"), rows)
    assert isinstance(found, ClassCounts)
    assert found.right.tolist() == [[0, 1], [0, 0], [0, 0], [1, 0], [1, 0]]
    assert found.said.tolist() == [[0, 1], [0, 1], [0, 0], [1, 0], [1, 0]]
    assert found.gold.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0], [1, 0]]
    assert [found.ratios(kind, 0).score() for kind in ("precision", "recall", "F1")] == pytest.approx(
        [1, 2 / 3, 0.8]
    )
    entities = {
        "reference": np.array(["B-P I-P O B-P"], object),
        "prediction": np.array(["B-P I-P O B-L"], object),
    }
    counts = count_classes("ner", ("P", "L"), entities)
    assert (counts.right.tolist(), counts.said.tolist(), counts.gold.tolist()) == (
        [[1, 0]],
        [[1, 1]],
        [[2, 0]],
    )
    assert types("B-P I-P O B-A-B") == ["P", "P", "O", "A-B"]


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 255, 3]),
        np.array([0, 256, 70_000]),
        np.array([-1, 5]),
        np.array([0.5, 0.25]),
        np.array([0.1, 1e300]),
        np.array([], dtype=float),
        np.array(["a", "b"], object),
        np.array([2**40, 1]),
    ],
    ids=str,
)
def test_held_columns_are_what_they_were(values: np.ndarray) -> None:
    read = held(lambda _: {"x": values})
    for _ in range(2):
        found = read("cell")["x"]
        assert found.dtype == values.dtype
        assert found.tolist() == values.tolist()


def test_a_key_of_a_group_in_words() -> None:
    assert str(Key("t", "s", "b")) == "t/s/b"
