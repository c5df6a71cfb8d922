"""Metrics that are no shares: correlations, in [-1, 1], and errors, which are better the lower they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from bench.analysis.groups import Key, gather
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.metrics import exact_interval, ratios
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.scales import CORRELATION, ERROR, SHARE
from bench.analysis.tables import pairs
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.model import Table
from bench.contracts import Metric
from tests.analysis.numeric import METRICS, numeric_cell, numeric_run

NOISES = {"frozen": 1.5, "lora": 0.7, "full": 0.45}


def scores_of(run, metric: str) -> dict[tuple[Key, str], Resampled]:
    source = Source(run.predictions)
    return {(key, metric): resample(group, metric, source) for key, group in gather(run.records).items()}


def marks(table: Table, column: str) -> dict[str, str]:
    (place,) = [number for number, item in enumerate(table.columns) if item.name == column]
    return {row.labels[0]: row.entries[place].mark for row in table.blocks[0].rows}


# --------------------------------------------------------------------------------------------------
# Correlations


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize("worst", [math.inf, -0.5])
def test_no_correlation_and_a_negative_one_are_told_apart_from_a_strong_one(metric, worst):
    """Log-odds of a correlation below 0 were those of half an example, whose noise hid every difference."""
    run = numeric_run({"full": 0.45, "bad": worst})
    scores = scores_of(run, metric)
    (found,) = compare_pairs(scores, with_best(scores))
    assert (found.first.strategy, found.tied, found.effect) == ("full", False, None)


def test_a_correlation_is_tested_on_twice_fishers_z():
    for r in (-0.7, 0.0, 0.8):
        assert CORRELATION.level(r, 1000) == pytest.approx(2 * math.atanh(r))
        assert CORRELATION.slope(r, 1000) == pytest.approx(2 / (1 - r**2))
    assert SHARE.level(0.8, 1000) == pytest.approx(math.log(4))


def test_a_correlation_of_constant_numbers_has_no_binomial_interval():
    """It counted as so many examples that are all wrong."""
    gold, rng = np.full(30, 2.0), np.random.default_rng(0)
    cells = [numeric_cell("t", "s", seed, gold, rng.normal(size=30)) for seed in range(3)]
    files = {record.cell.id: rows for record, rows in cells}
    (group,) = gather([record for record, _ in cells]).values()
    for metric in ("pearson", "spearman"):
        found = resample(group, metric, Source(files.__getitem__))
        assert (found.scores.tolist(), found.exact) == ([0.0, 0.0, 0.0], None)


def test_an_error_of_zero_has_no_binomial_interval():
    gold = np.arange(30.0)
    record, rows = numeric_cell("t", "s", 0, gold, gold)
    (group,) = gather([record]).values()
    assert resample(group, "mae", Source(lambda _: rows)).exact is None


# --------------------------------------------------------------------------------------------------
# Errors


def test_the_best_error_is_the_lowest_in_table_and_pairs():
    run = numeric_run(NOISES)
    for table in (
        build(run.records, run.predictions),
        build(run.records, run.predictions, TableOptions(metric="mae")),
        build(run.records, None, TableOptions(metric="mae")),
    ):
        assert marks(table, "mae") == {"frozen": "", "lora": "", "full": "best"}
    found = pairs.build(run.records, run.predictions, "mae")
    rows = found.blocks[0].rows
    assert {row.labels[0] for row in rows} == {"full minilm"}
    assert {row.entries[-1].value for row in rows} == {"first is better"}
    assert all(row.entries[1].value < 0 and row.entries[2].value is None for row in rows)
    assert [column.unit for column in found.columns][1] == "error"


@pytest.mark.parametrize("unit", [1e-5, 1.0, 1e6])
def test_errors_are_judged_alike_whatever_the_unit_of_the_numbers(unit):
    """One example was taken to move a score by 1 / n, which is far more than a small error, and far less than a
    large one."""
    plain, scaled = (scores_of(numeric_run(NOISES, unit=size), "mae") for size in (1.0, unit))
    found, expected = (compare_pairs(scores, with_best(scores)) for scores in (scaled, plain))
    assert [item.tied for item in found] == [item.tied for item in expected]
    assert [item.adjusted for item in found] == pytest.approx([item.adjusted for item in expected], abs=2e-3)
    wide, halves = (
        {key: item.half for key, item in intervals({k: s.components() for k, s in scores.items()}).items()}
        for scores in (scaled, plain)
    )
    assert [wide[key] / unit for key in halves] == pytest.approx(list(halves.values()), rel=1e-3)


def test_equal_errors_are_told_apart_once_in_twenty_tables_at_most():
    tables, rng, alarms = 120, np.random.default_rng(0), 0
    for _ in range(tables):
        gold, found = rng.normal(size=100), {}
        for name in ("a", "b", "c"):
            own = rng.normal(size=100)
            said = [gold + own + 0.3 * rng.normal(size=100) for _ in range(3)]
            cells = [numeric_cell("t", name, seed, gold, values) for seed, values in enumerate(said)]
            files = {record.cell.id: rows for record, rows in cells}
            ((key, group),) = gather([record for record, _ in cells]).items()
            found[key, "mae"] = resample(group, "mae", Source(files.__getitem__))
        alarms += any(not item.tied for item in compare_pairs(found, with_best(found)))
    assert alarms / tables <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / tables)


def test_the_note_gives_missed_errors_in_their_own_unit():
    run = numeric_run({"lora": 0.46, "full": 0.45}, unit=50.0)
    table = build(run.records, run.predictions, TableOptions(metric="mae"))
    (note,) = [note for note in table.notes if note.startswith("Bold")]
    assert "of mae on similarity" in note
    assert "points" not in note


# --------------------------------------------------------------------------------------------------
# Means over labels


def test_a_rare_label_widens_the_exact_interval_of_macro_f1():
    """With three examples of a label, all right, its recall may well be a third; 997 others say nothing of it."""
    labels = np.array(["often"] * 997 + ["rare"] * 3, object)
    rows = {"reference": labels, "prediction": labels, "id": np.arange(1000)}
    low, high = exact_interval([ratios(Metric("f1", "macro_f1"), rows)])
    assert high == 1
    assert low == pytest.approx((1 + 0.025 ** (1 / 3)) / 2)


@pytest.mark.parametrize("labels", [1, 2, 10])
def test_even_labels_have_the_interval_of_all_their_examples(labels):
    names = np.array([f"label {place % labels}" for place in range(100)], object)
    rows = {"reference": names, "prediction": names, "id": np.arange(100)}
    found = exact_interval([ratios(Metric("f1", "macro_f1"), rows)])
    assert found == pytest.approx((binomtest(100, 100).proportion_ci(0.95, "exact").low, 1.0))


@pytest.mark.parametrize("kind", ["macro_f1", "macro_recall", "class_precision", "class_f1"])
def test_seeds_that_name_other_labels_have_an_interval(kind):
    """One seed never says `b`: its scores have fewer labels."""
    gold, other = np.array(["a"] * 9, object), np.array(["b"] * 9, object)
    metric = Metric("m", kind, ("a",) if kind.startswith("class") else ())
    both = [ratios(metric, {"reference": gold, "prediction": said}) for said in (gold, other)]
    assert exact_interval(both) is None
    assert exact_interval([both[0], both[0]]) is not None


def test_the_bound_of_an_f1_of_zero_is_that_of_an_f1():
    """Of 24 texts all are wrong: 14% may be right, and an F1 of 25% has the share of right ones that this is."""
    gold = np.array(["yes"] * 24, object)
    rows = {"reference": gold, "prediction": np.array(["no"] * 24, object), "id": np.arange(24)}
    share = 1 - 0.025 ** (1 / 24)
    _, recall = exact_interval([ratios(Metric("r", "class_recall", ("yes",)), rows)])
    _, f1 = exact_interval([ratios(Metric("f", "class_f1", ("yes",)), rows)])
    assert (recall, f1) == pytest.approx((share, 2 * share / (1 + share)))


def test_each_kind_of_metric_has_its_scale():
    (first,) = {item.scale for item in scores_of(numeric_run(NOISES), "mae").values()}
    assert first == ERROR
    assert [metric.name for metric in METRICS] == ["spearman", "pearson", "mae"]


def test_an_interval_as_wide_as_all_scores_is_cut_to_them():
    """Two seeds and one example: `0.0 ± 547.1` is no interval of a correlation."""
    cells = [
        numeric_cell("t", "s", seed, np.ones(1), np.full(1, said)) for seed, said in enumerate((1.0, 2.0))
    ]
    files = {record.cell.id: rows for record, rows in cells}
    table = build([record for record, _ in cells], files.__getitem__, TableOptions(columns=("pearson",)))
    assert table.blocks[0].rows[0].entries[0].bounds == (-1.0, 1.0)
    assert any(note.startswith("Intervals wider than the whole range of the score") for note in table.notes)
    assert not any("Clopper" in note for note in table.notes)
