"""Paired comparisons: what is noise is tied, what is not is found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from bench.analysis.groups import Key, gather
from bench.analysis.statistics.calibration import Design, behind, differences_found, table
from bench.analysis.statistics.familywise import Pair, corrected, holm
from bench.analysis.statistics.intervals import Interval
from bench.analysis.statistics.mcnemar import judge_pairs, of_records
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.paired import (
    POWER,
    Comparison,
    Scored,
    all_pairs,
    compare_pairs,
    seed_noise,
    with_best,
)
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.scales import CORRELATION, ERROR, SHARE, Scale
from bench.analysis.tables.formats import render
from bench.analysis.tables.pairs import build
from bench.contracts import BenchError
from tests.analysis.conftest import make_predictions, make_record

FIRST, SECOND = Key("t", "first", "b"), Key("t", "second", "b")


def resampled(right: np.ndarray, seeds: tuple[int, ...] = (0, 1, 2)) -> Resampled:
    """Right or wrong [examples, seeds] as a group of seeds would be read."""
    records = [make_record("t", "s", seed) for seed in seeds]
    files = {r.cell.id: make_predictions(right[:, place]) for place, r in enumerate(records)}
    found = resample(next(iter(gather(records).values())), "accuracy", Source(files.__getitem__))
    assert found is not None
    return found


def right(share: float, seeds: int, random: int, examples: int = 400) -> np.ndarray:
    rng = np.random.default_rng(random)
    return (rng.random((examples, seeds)) < share).astype(float)


def pair(first: np.ndarray, second: np.ndarray):
    scores = {(FIRST, "accuracy"): resampled(first), (SECOND, "accuracy"): resampled(second)}
    return compare_pairs(scores, [(FIRST, SECOND, "accuracy")])[0]


def test_a_large_difference_is_found():
    found = pair(right(0.9, 3, 0), right(0.6, 3, 1))
    assert found.adjusted < 0.01
    assert not found.tied


def test_the_same_predictions_are_tied():
    same = right(0.8, 3, 0)
    assert pair(same, same).p == 1


def test_chance_differences_are_tied():
    assert pair(right(0.8, 3, 0), right(0.8, 3, 1)).tied


def test_false_alarms_are_as_rare_as_claimed():
    alarms = sum(not pair(right(0.8, 3, n), right(0.8, 3, 1000 + n)).tied for n in range(150))
    assert alarms <= 14


def test_a_difference_that_seeds_do_not_repeat_is_tied():
    """One seed of three is far worse: with so few seeds that may be luck, however many the examples."""
    uneven = np.stack([right(share, 1, n, 2000)[:, 0] for n, share in enumerate((0.9, 0.9, 0.7))], axis=1)
    assert pair(right(0.9, 3, 9, 2000), uneven).tied


def table_of(means: Sequence[Sequence[float]], random: int) -> dict[Scored, Resampled]:
    """A strategy for each list of means by seed, all on the same 400 examples."""
    found = {}
    for place, by_seed in enumerate(means):
        columns = [
            right(mean, 1, 100 * random + 10 * place + seed)[:, 0] for seed, mean in enumerate(by_seed)
        ]
        found[Key("t", str(place), "b"), "accuracy"] = resampled(np.stack(columns, axis=1))
    return found


def test_a_strategy_far_below_is_not_tied_because_its_seeds_scatter():
    """As `scratch` on a few hundred examples: its noise is its own, but not beyond all that others show."""
    steady = [(level, level + 0.01, level - 0.01) for level in np.linspace(0.7, 0.9, 16)]
    scores = table_of([(0.93, 0.93, 0.91), *steady, (0.46, 0.54, 0.76)], 0)
    assert not compare_pairs(scores, with_best(scores))[-1].tied


def test_strategies_of_one_mean_are_tied_though_some_are_wild():
    """Family-wise, at 5%, with the best picked by its score."""
    rng, alarms = np.random.default_rng(0), 0
    for trial in range(40):
        odds = rng.normal(0, np.array([0.1] * 5 + [0.6] * 2)[:, None], (7, 3)) + 1.5
        scores = table_of((1 / (1 + np.exp(-odds))).tolist(), trial)
        alarms += any(not item.tied for item in compare_pairs(scores, with_best(scores)))
    assert alarms <= 5


def test_pairing_finds_what_unpaired_intervals_overlap_on():
    base = right(0.8, 1, 0, 2000)
    first, second = np.repeat(base, 3, axis=1), np.repeat(base, 3, axis=1)
    second[:30] = 0
    found = pair(first, second)
    assert found.difference.mean < 0.02
    assert not found.tied


def test_only_shared_seeds_are_compared():
    first, second = resampled(right(0.8, 3, 0), (0, 1, 2)), resampled(right(0.8, 2, 0), (1, 7))
    difference = first.minus(second)
    assert difference is not None
    assert difference.seeds == (1,)


def test_other_examples_cannot_be_paired():
    assert resampled(right(0.8, 3, 0, 100)).minus(resampled(right(0.8, 3, 0, 101))) is None


def test_cohens_h_is_the_difference_of_arcsines():
    found = pair(np.ones((10, 3)), np.zeros((10, 3)))
    assert found.effect == pytest.approx(math.pi)


def test_each_is_paired_with_the_best_of_its_task():
    scores = {
        (Key(task, strategy, "b"), "accuracy"): resampled(right(share, 3, 0))
        for task in ("x", "y")
        for strategy, share in (("low", 0.5), ("high", 0.9))
    }
    assert [(first.strategy, second.strategy) for first, second, _ in with_best(scores)] == [
        ("high", "low")
    ] * 2


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_holm_is_statsmodels(count):
    p = np.random.default_rng(count).random(count).round(1) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_mcnemar_is_the_exact_test_of_the_discordant_pairs():
    first, second = np.array([1.0] * 8 + [0.0] * 2), np.array([0.0] * 6 + [1.0] * 2 + [0.0] * 2)
    records = [make_record("t", name) for name in ("first", "second")]
    files = {r.cell.id: make_predictions(rows) for r, rows in zip(records, (first, second), strict=True)}
    assert of_records(records[0], records[1], "accuracy", Source(files.__getitem__)) == pytest.approx(
        2 * 0.5**6
    )


def test_mcnemar_does_not_apply_to_f1():
    records = [make_record("t", name) for name in ("first", "second")]
    files = {r.cell.id: make_predictions(np.ones(4)) for r in records}
    assert of_records(records[0], records[1], "f1", Source(files.__getitem__)) is None


def test_mcnemar_decides_where_there_is_one_seed(predicted):
    records = [record for record in predicted.records if record.cell.seed == 0]
    groups, source = gather(records), Source(predicted.predictions)
    scores = {
        (key, "accuracy"): found
        for key, group in groups.items()
        if (found := resample(group, "accuracy", source))
    }
    found = judge_pairs(scores, with_best(scores), groups, source)
    every = [
        of_records(groups[first].done[0], groups[second].done[0], "accuracy", source)
        for first, second in itertools.combinations(groups, 2)
        if first.task == second.task
    ]
    corrected = dict(zip(every, holm(every), strict=True))
    assert [item.adjusted for item in found] == pytest.approx([corrected[item.mcnemar] for item in found])
    assert {item.tied for item in found} == {True, False}


def test_mcnemar_leaves_several_seeds_to_the_bootstrap(predicted):
    groups, source = gather(predicted.records), Source(predicted.predictions)
    scores = {(key, "accuracy"): resample(group, "accuracy", source) for key, group in groups.items()}
    compared = judge_pairs(scores, with_best(scores), groups, source)
    assert {item.mcnemar for item in compared} == {None}


def test_exact_and_bootstrapped_tests_of_a_table_are_one_family():
    """Accuracy on one seed is decided by McNemar's test and F1 by the bootstrap: both share the 5%."""
    rng = np.random.default_rng(0)
    noise = Noise.known(1.0)
    exact = Pair(2.0, noise, rng.normal(size=2000), exact=0.02)
    others = [Pair(0.1, noise, rng.normal(size=2000)) for _ in range(9)]
    assert corrected([exact]).adjusted == (0.02,)
    assert corrected([exact, *others]).adjusted[0] == pytest.approx(1 - 0.98**10, abs=0.02)


def test_no_adjusted_p_is_below_that_of_its_pair():
    """Draws are a sample, which may by chance have fewer large differences than the exact test allows."""
    pair = Pair(2.0, Noise.known(1.0), np.zeros(100), exact=0.049)
    assert min(corrected([pair, Pair(0.0, Noise.known(1.0), np.zeros(100))]).adjusted) >= 0.049


def test_comparisons_make_a_table(predicted):
    text = render(build(predicted.records, predicted.predictions), "md")
    assert "first is better" in text
    assert "not told apart" in text


def test_nothing_to_compare_is_an_error(predicted):
    with pytest.raises(BenchError) as error:
        build(predicted.records[:3], predicted.predictions)
    assert error.value.code == "nothing-to-compare"


# --------------------------------------------------------------------------------------------------
# The family: the best is chosen from the data


def test_a_table_of_equal_strategies_is_wrong_once_in_twenty_times_at_most():
    """Correcting the comparisons with the best alone is wrong in more than one table of ten."""
    tables = 120
    rng = np.random.default_rng(0)
    wrong = sum(bool(behind(table(Design(6), rng))) for _ in range(tables)) / tables
    assert wrong <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / tables)


def test_a_strategy_that_is_better_by_far_is_told_apart_on_every_task():
    assert differences_found(Design(4, advantage=1.2), 3, np.random.default_rng(0)) > 0.9


def test_the_correction_is_that_of_all_pairs_and_never_beyond_holm():
    rng = np.random.default_rng(1)
    scores = table(Design(5, tasks=2), rng)
    family = all_pairs(scores, seed_noise(scores))
    p = [pair.p for pair in family.values()]
    assert len(family) == 2 * 10
    found = corrected(list(family.values()))
    assert all(raw <= one <= most for raw, one, most in zip(p, found.adjusted, holm(p), strict=True))
    assert 0.05 / len(family) <= found.critical < 0.05


def test_the_smallest_p_of_independent_comparisons_is_corrected_as_by_sidak():
    rng = np.random.default_rng(2)
    pairs = [Pair(0.0, Noise.known(1.0), rng.normal(size=4000)) for _ in range(10)]
    family = [Pair(2.8, Noise.known(1.0), pairs[0].null), *pairs[1:]]
    raw = family[0].p
    assert corrected(family).adjusted[0] == pytest.approx(1 - (1 - raw) ** 10, rel=0.2)
    assert corrected(family).critical == pytest.approx(1 - 0.95**0.1, rel=0.2)


def test_copies_of_one_comparison_are_corrected_as_one():
    null = np.random.default_rng(3).normal(size=4000)
    family = [Pair(2.0, Noise.known(1.0), null) for _ in range(10)]
    assert corrected(family).adjusted == pytest.approx([family[0].p] * 10, rel=0.2)


def test_a_detectable_difference_is_found_as_often_as_is_said():
    """Differences of the size that a comparison calls detectable, planted many times, are found in 80 of 100."""
    family = [Pair(0.0, Noise.known(1.0), np.random.default_rng(n).normal(size=2000)) for n in range(6)]
    critical = corrected(family).critical
    noise = Noise.known(1.0)
    least = noise.quantile(1 - critical / 2) + noise.quantile(POWER)
    drawn = least + np.random.default_rng(9).normal(size=4000)
    found = np.mean([2 * noise.tail(abs(value)) < critical for value in drawn])
    assert found == pytest.approx(0.8, abs=0.03)


# --------------------------------------------------------------------------------------------------
# Comparisons by hand

TRIO = (FIRST, SECOND, "accuracy")


@pytest.mark.parametrize("scale", [SHARE, CORRELATION])
@pytest.mark.parametrize(("families", "adjusted", "tied"), [(1, 0.03, False), (2, 0.06, True)])
def test_a_detectable_difference_is_the_sum_of_two_quantiles(
    scale: Scale, families: int, adjusted: float, tied: bool
):
    """Of one seed each, whose error is that of the examples alone; an exact test decides."""
    scores = {
        (key, "accuracy"): replace(resampled(right(share, 1, random), (0,)), scale=scale)
        for key, share, random in ((FIRST, 0.9, 0), (SECOND, 0.6, 1))
    }
    (found,) = compare_pairs(scores, [TRIO], {TRIO: 0.03}, families)
    (variance,) = found.difference.noise.variances
    level = 0.05 / families
    assert found.detectable == pytest.approx(
        math.sqrt(variance) * (norm.ppf(1 - level / 2) + norm.ppf(0.8)), rel=1e-6
    )
    assert (found.p, found.mcnemar, found.adjusted, found.tied) == (0.03, 0.03, adjusted, tied)


def test_no_detectable_difference_is_beyond_what_two_scores_can_differ_by():
    """Two examples, of which each has one right: two standard errors are more than all points."""
    answers = np.array([[1.0], [0.0]])
    scores = {
        (FIRST, "accuracy"): resampled(answers, (0,)),
        (SECOND, "accuracy"): resampled(1 - answers, (0,)),
    }
    (found,) = compare_pairs(scores, [TRIO])
    assert found.detectable == 1.0
    correlations = {key: replace(item, scale=CORRELATION) for key, item in scores.items()}
    (found,) = compare_pairs(correlations, [TRIO])
    assert 1.0 < found.detectable <= 2.0


def test_a_pair_may_be_asked_for_in_either_order():
    scores = {
        (FIRST, "accuracy"): resampled(right(0.9, 3, 0)),
        (SECOND, "accuracy"): resampled(right(0.6, 3, 1)),
    }
    one, other = compare_pairs(scores, [TRIO, (SECOND, FIRST, "accuracy")])
    assert other.difference.mean == pytest.approx(-one.difference.mean)
    assert other.effect == pytest.approx(-one.effect)
    assert (other.p, other.adjusted, other.behind) == (one.p, one.adjusted, False)
    assert one.behind


@pytest.mark.parametrize(
    ("mean", "scale", "leads"), [(0.0, SHARE, False), (0.1, SHARE, True), (-2.0, ERROR, True)]
)
def test_the_first_leads_where_its_score_is_better(mean: float, scale: Scale, leads: bool):
    difference = Interval(mean, 0.01, Noise.known(1e-4), 3)
    found = Comparison(FIRST, SECOND, "m", difference, 0.01, 0.01, 0.1, None, scale=scale)
    assert (found.first_leads, found.behind) == (leads, leads)


@pytest.mark.parametrize("lacks", ["first", "second", "ids", "halves", "metric"])
def test_mcnemar_needs_the_same_examples_that_are_right_or_wrong(lacks: str):
    records = [make_record("t", name) for name in ("first", "second")]
    files = {
        r.cell.id: make_predictions(rows) for r, rows in zip(records, (np.ones(9), np.eye(9)[0]), strict=True)
    }
    source, second = Source(files.__getitem__), records[1].cell.id
    assert of_records(*records, "accuracy", source) == pytest.approx(2 * 0.5**8)
    if lacks in ("first", "second"):
        del files[records[lacks == "second"].cell.id]
    elif lacks == "ids":
        files[second] |= {"id": files[second]["id"][::-1]}
    elif lacks == "halves":
        files[second] |= {"correct": np.full(9, 0.5)}
    assert of_records(*records, "none" if lacks == "metric" else "accuracy", source) is None
