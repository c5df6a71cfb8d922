"""Intervals where the bootstrap says nothing, and examples that come in clusters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from bench.analysis.groups import gather
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.mcnemar import of_records
from bench.analysis.statistics.metrics import Ratios, exact_interval
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.formats import render
from tests.analysis.conftest import make_predictions, make_record


def score_of(right: np.ndarray, groups: np.ndarray | None = None, seeds: int = 1) -> Resampled:
    records = [make_record("t", "s", seed) for seed in range(seeds)]
    rows = make_predictions(right)
    files = {r.cell.id: rows if groups is None else {**rows, "group": groups} for r in records}
    found = resample(next(iter(gather(records).values())), "accuracy", Source(files.__getitem__))
    assert found is not None
    return found


def documents(count: int, size: int) -> np.ndarray:
    return np.repeat(np.arange(count), size).astype(str).astype(object)


def interval_of(scores: Resampled) -> tuple[float, float]:
    found = intervals({0: scores.components()})[0]
    return found.low, found.high


@pytest.mark.parametrize("wrong", [0, 1, 4, 20, 23, 24])
def test_nearly_all_alike_has_the_exact_interval_of_scipy(wrong):
    right = np.ones(24)
    right[:wrong] = 0
    exact = binomtest(24 - wrong, 24).proportion_ci(0.95, "exact")
    assert interval_of(score_of(right)) == pytest.approx((exact.low, exact.high))


def test_a_score_in_the_middle_is_bootstrapped():
    assert score_of(np.repeat([0.0, 1.0], 50)).exact is None


def test_seeds_that_are_all_right_are_no_more_examples():
    exact = binomtest(24, 24).proportion_ci(0.95, "exact")
    assert interval_of(score_of(np.ones(24), seeds=5)) == pytest.approx((exact.low, 1.0))


@pytest.mark.parametrize("right", [True, False])
def test_sentences_without_entities_say_nothing_of_f1(right):
    gold = np.array([2.0, 1.0, 0.0, 1.0])[:, None]
    found = exact_interval([Ratios(2 * gold * right, 2 * gold)])
    expected = binomtest(3 if right else 0, 3).proportion_ci(0.95, "exact")
    assert found == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("format", ["md", "latex", "html", "json"])
def test_the_table_shows_the_exact_interval(format):
    rows = make_predictions(np.ones(24))
    table = build([make_record("t", "s", accuracy=1.0)], lambda _: rows, TableOptions(columns=("accuracy",)))
    text = render(table, format)
    assert (
        "0.857" in text if format == "json" else "100.0" in text and "[85.8, 100.0]" in text.replace("\\", "")
    )
    assert "Clopper and Pearson" in text


def test_clusters_are_resampled_as_wholes():
    """Thirteen articles whose questions are all answered or all missed hold thirteen observations, not 260."""
    whole = np.repeat(np.arange(13) % 3 > 0, 20).astype(float)
    articles = np.repeat([f"article {n}" for n in range(13)], 20).astype(object)
    clustered, naive = score_of(whole, articles).components(), score_of(whole).components()
    assert clustered.examples == naive.examples == len(whole)
    assert clustered.example == pytest.approx(20 * naive.example, rel=0.15)


def test_few_clusters_do_not_widen_the_noise_over_seeds():
    """Where examples of one document are no more alike than others, documents change the interval little."""
    rng = np.random.default_rng(0)
    difficulty = rng.random(300)
    right = (rng.random((3, 300)) < 0.2 * difficulty).astype(float)
    articles = documents(13, 24)[:300]
    halves = []
    for groups in (articles, None):
        rows = [{"id": np.arange(300), "correct": each} for each in right]
        records = [
            make_record(strategy="full", seed=seed, accuracy=each.mean()) for seed, each in enumerate(right)
        ]
        files = {
            record.cell.id: columns if groups is None else {**columns, "group": groups}
            for record, columns in zip(records, rows, strict=True)
        }
        (group,) = gather(records).values()
        found = resample(group, "accuracy", Source(files.__getitem__))
        assert found is not None
        halves.append(intervals({"full": found.components()})["full"].half)
    assert halves[0] == pytest.approx(halves[1], rel=0.35)


def test_groups_of_one_are_no_clusters():
    right = (np.random.default_rng(0).random(50) < 0.7).astype(float)
    alone = np.array([f"doc {n}" for n in range(50)], dtype=object)
    assert np.array_equal(score_of(right, alone).draws, score_of(right).draws)
    assert score_of(right, np.full(50, "", dtype=object)).clusters == 0


def test_examples_of_one_run_in_clusters_and_not_of_another_are_not_compared():
    right, groups = np.tile([0.0, 1.0, 1.0], 20), documents(20, 3)
    assert score_of(right, groups).minus(score_of(right)) is None
    assert score_of(right, groups).minus(score_of(right, groups)) is not None


def test_mcnemar_does_not_apply_to_clusters():
    records = [make_record("t", name) for name in ("a", "b")]
    rows = {
        **make_predictions(np.tile([0.0, 1.0], 20)),
        "group": np.repeat(np.arange(10), 4).astype(str).astype(object),
    }
    assert of_records(*records, "accuracy", Source(lambda _: rows)) is None


def test_the_footnote_says_what_was_resampled():
    rows = {
        **make_predictions(np.tile([0.0, 1.0, 1.0], 20)),
        "group": documents(20, 3),
    }
    table = build([make_record("t", "s")], lambda _: rows, TableOptions(columns=("accuracy",)))
    assert "Test examples are resampled by the document that they come from: t (20) documents." in table.notes
