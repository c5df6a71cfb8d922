"""Scores from per-example columns equal the field's scorers, also on resamples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bench.analysis.statistics.metrics import (
    Ratios,
    draw,
    exact_interval,
    proportion,
    ratios,
    resample_counts,
)
from bench.analysis.statistics.variance import linear_covariance
from bench.contracts import BenchError, Metric
from bench.data.label_sets import LabelSet, score_sets
from bench.data.texts import score_labels

RNG = np.random.default_rng(0)
LABELS = np.array(["a", "b", "c", "d|&"], dtype=object)
ROWS = {
    "reference": LABELS[RNG.choice(4, 300, p=[0.6, 0.3, 0.08, 0.02])],
    "prediction": LABELS[RNG.choice(4, 300, p=[0.5, 0.4, 0.08, 0.02])],
    "correct": RNG.integers(0, 2, 300).astype(float),
    "tp": RNG.integers(0, 2, 300).astype(float),
    "predicted": RNG.integers(1, 4, 300).astype(float),
    "gold": RNG.integers(1, 4, 300).astype(float),
}
METRICS = [
    Metric("accuracy", "mean", ("correct",)),
    Metric("share", "ratio", ("tp", "predicted")),
    Metric("entity f1", "f1", ("tp", "predicted", "gold")),
    Metric("macro f1", "macro_f1"),
    Metric("f1 of b", "class_f1", ("b",)),
]


def test_macro_f1_is_scikit_learns():
    expected = f1_score(ROWS["reference"], ROWS["prediction"], average="macro", zero_division=0)
    assert ratios(METRICS[3], ROWS).score() == pytest.approx(expected)


ONE_SIDED = {
    "reference": np.array(["a", "a", "b", "b", "d"], dtype=object),
    "prediction": np.array(["a", "c", "b", "c", "b"], dtype=object),
}
"""`c` is only predicted, `d` is never predicted."""


def test_macro_f1_counts_labels_that_are_only_predicted_or_never():
    expected = f1_score(ONE_SIDED["reference"], ONE_SIDED["prediction"], average="macro", zero_division=0)
    assert expected == pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4)
    assert ratios(METRICS[3], ONE_SIDED).score() == pytest.approx(expected)
    assert score_labels(*(column.tolist() for column in ONE_SIDED.values()))["f1"] == pytest.approx(expected)


def test_macro_f1_of_sets_counts_labels_that_are_only_predicted_or_never():
    sets = {name: np.array([f'["{label}"]' for label in column]) for name, column in ONE_SIDED.items()}
    expected = f1_score(ONE_SIDED["reference"], ONE_SIDED["prediction"], average="macro", zero_division=0)
    assert ratios(Metric("macro f1", "sets_f1"), sets).score() == pytest.approx(expected)
    names = ("a", "b", "c", "d")
    said = [LabelSet((label,), names, (0.5,) * 4) for label in ONE_SIDED["prediction"]]
    scores = score_sets([[label] for label in ONE_SIDED["reference"]], said)
    assert scores["macro_f1"] == pytest.approx(expected)


def test_f1_of_a_class_is_scikit_learns():
    expected = f1_score(ROWS["reference"], ROWS["prediction"], labels=["b"], average="macro", zero_division=0)
    assert ratios(METRICS[4], ROWS).score() == pytest.approx(expected)


def test_f1_of_counts_is_twice_the_hits_over_predicted_and_gold():
    expected = 2 * ROWS["tp"].sum() / (ROWS["predicted"].sum() + ROWS["gold"].sum())
    assert ratios(METRICS[2], ROWS).score() == pytest.approx(expected)


def test_f1_without_predicted_or_gold_is_zero():
    assert Ratios(np.zeros((3, 1)), np.zeros((3, 1))).score() == 0


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.kind)
def test_a_resample_scores_as_if_its_rows_were_repeated(metric):
    counts = resample_counts(300, 3, (1, 0))
    found = draw([ratios(metric, ROWS)], draws=3, seed=1)[:, 0]
    for score, count in zip(found, counts, strict=True):
        rows = {name: np.repeat(values, count.astype(int)) for name, values in ROWS.items()}
        assert score == pytest.approx(ratios(metric, rows).score(), abs=1e-5)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.kind)
def test_influence_gives_the_bootstrap_variance(metric):
    found = ratios(metric, {name: np.tile(values, 5) for name, values in ROWS.items()})
    plain = draw([found], draws=2000).var(ddof=1)
    assert linear_covariance(found.influence()[:, None])[0, 0] == pytest.approx(plain, rel=0.15)


def test_influences_sum_to_zero():
    assert ratios(METRICS[3], ROWS).influence().sum() == pytest.approx(0, abs=1e-12)


def test_resamples_are_as_large_as_the_test_set():
    assert (resample_counts(50, 20, (0,)).sum(1) == 50).all()


def test_large_test_sets_are_resampled_in_blocks(monkeypatch):
    monkeypatch.setattr("bench.analysis.statistics.metrics.BLOCK", 3000)
    assert draw([ratios(METRICS[0], ROWS)], draws=25).shape == (25, 1)


def test_draws_of_equal_test_sets_are_paired():
    score = ratios(METRICS[0], ROWS)
    assert (draw([score]) == draw([score])).all()


def test_a_missing_column_is_named():
    with pytest.raises(BenchError, match="no column 'tp'") as error:
        ratios(METRICS[2], {"correct": np.ones(3)})
    assert error.value.code == "no-column"


@pytest.mark.parametrize("kind", ["macro_f1", "macro_recall", "class_f1", "class_recall", "class_precision"])
def test_labels_are_counted_as_by_comparing_each_with_each(kind):
    metric = Metric(kind, kind, ("b",) if kind.startswith("class") else ())
    for rows in (ROWS, ONE_SIDED, {name: column[:0] for name, column in ONE_SIDED.items()}):
        reference, prediction = rows["reference"], rows["prediction"]
        labels = np.array(sorted({*reference, *prediction}) if not metric.columns else ["b"], dtype=object)
        gold, said = ((side[:, None] == labels).astype(float) for side in (reference, prediction))
        over = gold * said * (2 if kind.endswith("f1") else 1)
        under = {"f1": gold + said, "ecall": gold, "sion": said}
        found = ratios(metric, rows)
        assert np.array_equal(found.numerators, over)
        assert np.array_equal(
            found.denominators, next(part for end, part in under.items() if kind.endswith(end))
        )


def test_an_influence_is_the_slope_of_the_score_in_the_weight_of_its_example():
    """Of four labels: two of two examples each, one of a single example, and one of none."""
    gold = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=float)
    found = Ratios(gold * np.array([[1], [0], [1], [1], [1]]), gold)
    assert found.score() == pytest.approx((0.5 + 1 + 1) / 3)
    step = 1e-6
    moved = [
        Ratios(weights * found.numerators, weights * found.denominators).score()
        for weights in (1 + step * np.eye(5))[..., None]
    ]
    slopes = (np.array(moved) - found.score()) / step
    assert found.influence() == pytest.approx(slopes, abs=1e-5)
    assert found.influence()[:2] == pytest.approx([1 / 12, -1 / 12])


def test_a_score_without_any_unit_has_no_influences():
    assert Ratios(np.zeros((3, 2)), np.zeros((3, 2))).influence().tolist() == [0, 0, 0]


# --------------------------------------------------------------------------------------------------
# Exact intervals


def test_the_exact_interval_is_that_of_the_seed_with_the_fewest_units():
    """Precision of two seeds: one says the label five times, the other three times, always rightly."""
    five, three = ((np.arange(8) < count)[:, None].astype(float) for count in (5, 3))
    expected = pytest.approx((0.025 ** (1 / 3), 1.0))
    for seeds in ((five, three), (three, five)):
        assert exact_interval([Ratios(units, units) for units in seeds]) == expected


def test_a_label_that_has_no_unit_leaves_the_exact_interval_as_it_is():
    """Macro recall, where all nine texts are taken for a label that none of them has."""
    rows = {"reference": np.array(["a"] * 9, object), "prediction": np.array(["b"] * 9, object)}
    found = exact_interval([ratios(Metric("recall", "macro_recall"), rows)])
    assert found == pytest.approx((0, 1 - 0.025 ** (1 / 9)))


def test_units_of_two_are_no_share_though_one_of_each_is_right():
    assert exact_interval([Ratios(np.eye(10)[:, :1], np.full((10, 1), 2.0))]) is None


ALL_WRONG = {
    "f1": {"tp": np.zeros(24), "predicted": np.ones(24), "gold": np.ones(24)},
    "sets_f1": {"reference": np.array(['["a"]'] * 24), "prediction": np.array(['["b"]'] * 24)},
    "ratio": {"tp": np.zeros(24), "predicted": np.ones(24)},
}


@pytest.mark.parametrize(("kind", "units"), [("f1", 24), ("sets_f1", 48), ("ratio", 24)])
def test_where_all_is_wrong_an_f1_has_the_bound_of_an_f1(kind, units):
    """Sets: 24 units of each of two labels, which share the chance."""
    rows = ALL_WRONG[kind]
    metric = Metric("m", kind, () if kind == "sets_f1" else tuple(rows))
    share = 1 - 0.025 ** (1 / units)
    expected = share if kind == "ratio" else 2 * share / (1 + share)
    assert exact_interval([ratios(metric, rows)]) == pytest.approx((0, expected))


def test_a_share_has_the_interval_of_95_percent_unless_another_is_asked_for():
    assert proportion(3, 10) == proportion(3, 10, 0.95) != proportion(3, 10, 0.9)
