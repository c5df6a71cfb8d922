"""Few documents tell little: Student's t in place of a normal error, and nothing at all from one document."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, t

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Run
from bench.analysis.statistics.calibration import F1, METRIC, Design, table
from bench.analysis.statistics.clusters import Clusters, of_rows
from bench.analysis.statistics.familywise import Corrected, Pair, corrected
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.noise import MANY, Noise, total
from bench.analysis.statistics.paired import all_pairs, compare_pairs, seed_noise, with_best
from bench.analysis.statistics.resampling import Resampled, over_clusters
from bench.analysis.statistics.rivals import Rival
from bench.analysis.statistics.stepdown import corrected_rivals
from bench.analysis.statistics.uncertainty import from_predictions
from bench.analysis.statistics.variance import shared_variance
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.classes import build as classes
from bench.analysis.tables.formats import render
from tests.analysis.conftest import make_predictions, make_record

# --------------------------------------------------------------------------------------------------
# Student's t


@pytest.mark.parametrize("dof", [1.0, 2.0, 4.3, 12.0, 60.0, 199.0])
def test_an_estimated_variance_makes_students_t(dof: float) -> None:
    found = Noise.student(4.0, dof)
    assert found.weights.sum() == pytest.approx(1)
    for probability in (0.8, 0.975, 0.999):
        assert found.quantile(probability) == pytest.approx(2 * t.ppf(probability, dof), rel=3e-3)
    sizes = np.array([0.5, 2.0, 7.0, 30.0])
    assert found.tails(sizes) == pytest.approx(t.sf(sizes / 2, dof), rel=5e-3, abs=1e-8)


def test_many_degrees_of_freedom_are_a_known_variance() -> None:
    for dof in (MANY, math.inf):
        found = Noise.student(4.0, dof)
        assert (found.variances.tolist(), found.weights.tolist()) == ([4.0], [1.0])


def test_a_sum_with_another_error_keeps_its_tail() -> None:
    """Of Student's t with 3 degrees of freedom and a normal error, against draws."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_t(3, 400_000) + 2 * rng.normal(size=400_000)
    found = total([Noise.student(1.0, 3.0), Noise.known(4.0)])
    for share in (0.95, 0.99):
        assert found.quantile((1 + share) / 2) == pytest.approx(np.quantile(np.abs(drawn), share), rel=0.02)


# --------------------------------------------------------------------------------------------------
# Clusters


def by_matrix(sizes: list[int]) -> tuple[float, float]:
    """The factor by which the variance over resampled clusters is too small, and its degrees of freedom, from the
    covariance of what each cluster adds where a twentieth of the variance is that of clusters."""
    shares = np.array(sizes) / sum(sizes)
    own = np.diag(shares**2 * (0.05 + 0.95 / np.array(sizes)))
    centring = np.eye(len(sizes)) - np.outer(shares, np.ones(len(sizes)))
    covariance = centring @ own @ centring.T
    return own.trace() / covariance.trace(), covariance.trace() ** 2 / np.trace(covariance @ covariance)


@pytest.mark.parametrize("sizes", [[5, 5], [9, 1], [4, 4, 4, 4], [30, 1, 1, 1, 1, 1], [7, 3, 12, 5, 5]])
def test_unequal_clusters_count_for_fewer(sizes: list[int]) -> None:
    found = Clusters(np.repeat(np.arange(len(sizes)), sizes))
    assert (found.correction, found.dof) == pytest.approx(by_matrix(sizes))
    assert 1 - 1e-9 <= found.dof <= len(sizes) - 1 + 1e-9
    if len(set(sizes)) == 1:
        assert (found.correction, found.dof) == pytest.approx(
            (found.count / (found.count - 1), found.count - 1)
        )


def test_one_cluster_has_no_degree_of_freedom() -> None:
    found = Clusters(np.zeros(9, dtype=int))
    assert (found.count, found.dof, found.correction) == (1, 0.0, math.inf)


def test_the_clusters_of_rows() -> None:
    found = of_rows(np.array(["a", "", "b", "a", ""], dtype=object))
    assert found is not None
    assert sorted(np.bincount(found.numbers).tolist()) == [1, 1, 1, 2]
    assert found.numbers[0] == found.numbers[3]
    assert of_rows(np.array(["a", "", "b"], dtype=object)) is None


def made(by_cluster: list[list[float]], size: int = 10) -> Resampled:
    """One seed's score on clusters of `size` examples whose scores are given, one list a strategy's seed."""
    scores = np.array(by_cluster).T  # [clusters, seeds]
    count = len(scores)
    rng = np.random.default_rng(0)
    draws = np.stack([scores[rng.integers(count, size=count)].mean(0) for _ in range(1000)])
    plain = Resampled(tuple(range(len(by_cluster))), scores.mean(0), draws, np.arange(count * size))
    return over_clusters(plain, Clusters(np.repeat(np.arange(count), size)))


def test_the_interval_of_two_documents_is_that_of_students_t() -> None:
    scores = made([[0.6, 0.8]])
    error = 0.1  # half the difference
    (found,) = intervals({0: scores.components()}).values()
    assert found.half == pytest.approx(t.ppf(0.975, 1) * error, rel=0.05)


def test_documents_that_score_alike_are_not_known_to_the_digit() -> None:
    """Two documents of ten with one more right answer each: not more sure than one example can make it."""
    first, second = made([[0.7, 0.8]]), made([[0.6, 0.7]])
    scores = {(Key("t", name, "b"), "accuracy"): own for name, own in (("a", first), ("b", second))}
    (found,) = compare_pairs(scores, with_best(scores))
    assert found.p > 0.1
    assert found.difference.half == pytest.approx(t.ppf(0.975, 1) / 20, rel=0.01)


# --------------------------------------------------------------------------------------------------
# Families


def test_pairs_on_few_clusters_have_holms_correction_and_add_their_chance_to_others() -> None:
    rng = np.random.default_rng(3)
    noise = Noise.known(1.0)
    shared = rng.normal(size=2000)
    many = [Pair(size, noise, shared) for size in (2.9, 2.2, 0.5)]
    few = [Pair(size, noise, np.zeros(2000), few=True) for size in (3.1, 1.0)]
    found = corrected([*many, *few])
    p = [pair.p for pair in (*many, *few)]
    alone = corrected(many).adjusted
    assert found.adjusted[3] == pytest.approx(5 * p[3])
    assert found.adjusted[0] == pytest.approx(max(5 * p[3], alone[0] + p[0]))
    assert found.adjusted[1] == pytest.approx(max(5 * p[3], alone[0] + p[0], alone[1] + p[1]))
    assert found.adjusted[4] >= p[4]
    assert found.few == 0.01
    assert (found.level(True), found.level(False)) == (found.few, found.critical)
    assert found.critical == pytest.approx(0.05 / (0.05 / corrected(many).critical + 2))
    assert found.divided(2).few == 0.005


def test_a_family_on_few_clusters_alone_has_holms_correction() -> None:
    few = [Pair(size, Noise.known(1.0), np.zeros(9), few=True) for size in (3.0, 2.5)]
    assert corrected(few).adjusted == pytest.approx((2 * few[0].p, max(2 * few[0].p, few[1].p)))
    assert corrected([]) == Corrected((), 0.05)


@pytest.mark.parametrize("documents", [(3, 3), (0, 5), (9, 0), (60, 0), (40, 5), (60, 150)])
def test_the_quick_correction_is_the_plain_one_with_documents_too(documents: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    scores = {}
    for number, count in enumerate(documents):
        own = table(Design(7, tasks=1, documents=count, advantage=0.8, metrics=(METRIC, F1)), rng)
        scores |= {(key._replace(task=f"task{number}"), metric): item for (key, metric), item in own.items()}
    family = list(all_pairs(scores, seed_noise(scores)).values())
    assert {pair.few for pair in family} == {0 < count < 10 for count in documents}
    assert corrected_rivals(family) == corrected(family)
    for pair in family:
        assert pair.few or pair.floor <= pair.p


def test_a_table_without_documents_is_as_it_was() -> None:
    """No pair is few, and its noise over examples is known."""
    scores = table(Design(4, tasks=1, seeds=1), np.random.default_rng(0))
    for pair in all_pairs(scores, seed_noise(scores)).values():
        assert not pair.few
        assert pair.noise().variances.tolist() == [pair.example]
    assert corrected_rivals(list(all_pairs(scores, seed_noise(scores)).values())).few is None


# --------------------------------------------------------------------------------------------------
# Tables


def run_of(documents: int, seeds: int = 1, levels: tuple[float, ...] = (0.8, 0.6)) -> Run:
    """Strategies on 200 examples of so many documents."""
    rng = np.random.default_rng(0)
    groups = (np.arange(200) * documents // 200).astype(str).astype(object)
    difficulty, records, files = rng.random(200), [], {}
    for strategy, level in zip(("full", "frozen", "probe"), levels, strict=False):
        for seed in range(seeds):
            ease = 0.9 * difficulty + 0.1 * rng.random(200)
            record = make_record("t", strategy, seed, accuracy=level)
            records.append(record)
            files[record.cell.id] = {**make_predictions((ease < level).astype(float)), "group": groups}
    return Run("made", records, files.__getitem__)


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_document_gives_no_interval_and_no_test_and_the_table_says_so(seeds: int) -> None:
    run = run_of(1, seeds)
    made_table = build(run.records, run.predictions, TableOptions(columns=("accuracy", "f1")))
    entries = [entry for row in made_table.blocks[0].rows for entry in row.entries]
    assert all(entry.spread is None and entry.bounds is None and not entry.points for entry in entries)
    assert {entry.mark for entry in entries} <= {"", "best"}
    assert any("All test examples of t come from one document" in note for note in made_table.notes)
    assert not any("resampled by the document" in note for note in made_table.notes)
    assert "± 0.0" not in render(made_table, "md")


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_document_gives_classes_no_interval(seeds: int) -> None:
    run = run_of(1, seeds)
    found = classes(run.records, run.predictions)
    assert not any(entry.spread for block in found.blocks for row in block.rows for entry in row.entries)
    assert any("one document" in note for note in found.notes)
    assert all(np.isfinite(row.entries[1].value) for block in found.blocks for row in block.rows)  # type: ignore[arg-type]


def test_two_documents_are_named_and_tell_little() -> None:
    """One strategy is ahead by 20 points on the first document and by 10 on the second: t = 3, p = 0.2."""
    files = {}
    for strategy, shares in (("full", (0.9, 0.7)), ("frozen", (0.7, 0.6))):
        right = np.concatenate([np.arange(100) < 100 * share for share in shares]).astype(float)
        groups = np.repeat(["a", "b"], 100).astype(object)
        files[strategy] = {**make_predictions(right), "group": groups}
    records = [
        make_record("t", strategy, accuracy=float(rows["correct"].mean())) for strategy, rows in files.items()
    ]
    made_table = build(records, lambda cell: files[cell.split("/")[1]], TableOptions(columns=("accuracy",)))
    assert (
        "Test examples are resampled by the document that they come from: t (2) documents."
        in made_table.notes
    )
    marks = {row.labels[0]: row.entries[0].mark for row in made_table.blocks[0].rows}
    assert marks == {"full": "best", "frozen": "tied"}


def test_what_two_documents_hide_is_no_more_than_all_points() -> None:
    run = run_of(2, 1, (0.8, 0.78))
    groups = gather(run.records)
    found = from_predictions(groups, dict.fromkeys(groups, ("accuracy", "f1")), run.predictions)
    assert found.comparisons
    assert all(item.detectable <= 1 for item in found.comparisons)
    assert not any("-" in note.partition("±")[2][:6] for note in found.notes)


def test_the_classes_of_few_documents_allow_for_it() -> None:
    """The same predictions, in 40 documents and in 4."""
    halves = []
    for documents in (40, 4):
        run = run_of(documents, 3)
        rows = itertools.chain.from_iterable(
            block.rows for block in classes(run.records, run.predictions).blocks
        )
        halves.append([entry.spread for row in rows for entry in row.entries if entry.spread is not None])
    assert len(halves[0]) == len(halves[1]) > 0
    assert np.mean(halves[1]) > 1.2 * np.mean(halves[0])


@pytest.mark.parametrize("other", [[0.6, 0.7], [0.7, 0.8]], ids=["apart", "equal"])
def test_a_difference_over_documents_varies_by_what_one_example_can_change(other: list[float]) -> None:
    """On the scale of the test, by the steeper of the two slopes: that of 0.75 in log-odds, of 20 examples."""
    first, second = made([[0.7, 0.8]]), made([other])
    scores = {(Key("t", name, "b"), "accuracy"): own for name, own in (("a", first), ("b", second))}
    for each in (scores, dict(reversed(scores.items()))):
        (pair,) = all_pairs(each, seed_noise(each)).values()
        assert pair.example == pytest.approx((1 / (0.75 * 0.25) / 20) ** 2)


# --------------------------------------------------------------------------------------------------
# Draws over documents


@pytest.mark.parametrize(("dof", "few"), [(9.99, True), (10.0, False), (math.inf, False)])
def test_from_ten_degrees_of_freedom_on_clusters_are_no_few(dof: float, few: bool) -> None:
    scores = table(Design(2, tasks=1, seeds=1), np.random.default_rng(0))
    (pair,) = all_pairs(scores, seed_noise(scores)).values()
    assert replace(pair, dof=dof).few is few


def test_the_variance_over_examples_lies_between_the_ends_of_students() -> None:
    scores = table(Design(2, tasks=1, seeds=1), np.random.default_rng(0))
    (pair,) = all_pairs(scores, seed_noise(scores)).values()
    least, most = Noise.factors(5.0)
    assert replace(pair, example=2.0, dof=5.0).examples == (2 * least, 2 * most)


def rivals_of(design: Design) -> list[Rival]:
    scores = table(design, np.random.default_rng(0))
    noise = seed_noise(scores)
    return [Rival.of(own, noise[key], place) for place, (key, own) in enumerate(scores.items())]


def test_draws_over_documents_have_the_deviation_of_an_estimated_variance() -> None:
    """The same for all strategies: they are on the same documents."""
    first, second = rivals_of(Design(2, tasks=1, seeds=3, documents=60))
    dof, spread = first.scores.dof, np.asarray(first.spread)
    assert 10 < dof < 59
    shares = np.array([0.1, 0.5, 0.9])
    assert np.quantile(spread**2, shares) == pytest.approx(dof / chi2.ppf(1 - shares, dof), rel=0.05)
    assert np.array_equal(spread, np.asarray(second.spread))
    means = first.slope * first.scores.draws.mean(1)
    expected = (means - means.mean()) * spread + first.errors / math.sqrt(3)
    assert first.centred == pytest.approx(expected)


@pytest.mark.parametrize("documents", [0, 5])
def test_draws_over_examples_or_few_documents_have_their_own_deviation(documents: int) -> None:
    (first, _) = rivals_of(Design(2, tasks=1, seeds=1, documents=documents))
    assert first.spread == 1.0


def test_draws_on_unequal_seeds_have_the_deviation_of_their_documents_too() -> None:
    scores = table(Design(2, tasks=1, seeds=3, documents=60), np.random.default_rng(0))
    (_, own), (second, other) = scores.items()
    scores[second] = replace(other, seeds=(1, 2), scores=other.scores[1:], draws=other.draws[:, 1:])
    (pair,) = all_pairs(scores, seed_noise(scores)).values()
    minus = own.tested().minus(scores[second].tested())
    assert minus is not None
    means = minus.draws.mean(1)
    errors = (pair.first.errors - pair.second.errors) / math.sqrt(2)
    assert pair.null() == pytest.approx((means - means.mean()) * pair.first.spread + errors)
    assert pair.example == pytest.approx(shared_variance(minus.draws))


def test_draws_over_documents_are_spread_around_the_score_in_their_own_direction() -> None:
    """Of four equal documents: by 4 / 3 of the variance."""
    plain = Resampled((0,), np.array([0.5]), np.array([[0.6], [0.3]]), np.arange(8))
    found = over_clusters(plain, Clusters(np.repeat(np.arange(4), 2)))
    assert found.draws == pytest.approx(0.5 + np.array([[0.1], [-0.2]]) * math.sqrt(4 / 3))
    assert (found.clusters, found.dof) == (4, pytest.approx(3.0))
