"""Shift tables: other domains are independent samples, and strategies stay paired on each of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.claims import Difference
from bench.analysis.formats import render
from bench.analysis.groups import gather
from bench.analysis.loading import Predictions, Run
from bench.analysis.metrics import ratios
from bench.analysis.resampling import Resampled, Source
from bench.analysis.shift import build, elsewhere, weighted
from bench.analysis.verify import verify
from tests.analysis.conftest import METRICS, make_predictions, make_record

TRUTH = {  # accuracy on the source and on two other domains
    "full": {"test": 0.90, "tweets": 0.70, "news": 0.60},
    "lp-ft": {"test": 0.90, "tweets": 0.80, "news": 0.70},
}
EXAMPLES = {"test": 800, "tweets": 400, "news": 400}
BETTER_ELSEWHERE = Difference(
    name="lp-ft",
    source="a paper",
    says="",
    kind="difference",
    first="lp-ft",
    second="full",
    on="elsewhere",
    above=0.0,
)


@pytest.fixture(scope="module")
def run() -> Run:
    """Two strategies that are equal on the source, one of them ten points better on each other domain."""
    rng = np.random.default_rng(0)
    difficulty = {test: rng.random(count) for test, count in EXAMPLES.items()}
    records, files = [], {}
    for strategy, accuracies in TRUTH.items():
        for seed in range(3):
            parts = {}
            for test, accuracy in accuracies.items():
                ease = 0.9 * difficulty[test] + 0.1 * rng.random(EXAMPLES[test])
                rows = make_predictions((ease < 0.9 * accuracy + 0.05).astype(float))
                parts[test] = {**rows, "split": np.full(EXAMPLES[test], test, dtype=object)}
            scores = {
                test: {m.name: ratios(m, rows).score() for m in METRICS} for test, rows in parts.items()
            }
            record = make_record("reviews", strategy, seed, scores=scores)
            records.append(record)
            files[record.cell.id] = joined(parts)
    return Run("shift", records, files.__getitem__)


def joined(parts: dict[str, dict[str, np.ndarray]]) -> Predictions:
    return {name: np.concatenate([rows[name] for rows in parts.values()]) for name in parts["test"]}


def test_in_domain_out_of_domain_and_drop_are_columns(run: Run) -> None:
    table = build(run.records, run.predictions)
    assert [column.heading for column in table.columns] == [
        "source",
        "out of domain",
        "drop",
        "→ tweets",
        "→ news",
    ]
    (block,) = table.blocks
    for row in block.rows:
        accuracies = TRUTH[row.labels[0]]
        values = [entry.value for entry in row.entries if isinstance(entry.value, float)]
        source, others, drop, tweets, news = values
        assert [source, tweets, news] == pytest.approx(list(accuracies.values()), abs=0.05)
        assert others == pytest.approx((tweets + news) / 2)
        assert drop == pytest.approx(source - others)


def test_the_text_says_what_out_of_domain_and_drop_are(run: Run) -> None:
    text = render(build(run.records, run.predictions), "md")
    assert "Out of domain: the mean over the target domains. Drop: source minus that" in text


def test_that_a_strategy_is_better_elsewhere_can_be_read_off(run: Run) -> None:
    (finding,) = verify([BETTER_ELSEWHERE], run)
    assert finding.verdict == "confirmed"
    assert finding.estimate is not None
    assert finding.estimate.value == pytest.approx(0.1, abs=0.03)
    (there,) = verify([BETTER_ELSEWHERE.model_copy(update={"first": "full", "second": "lp-ft"})], run)
    assert there.verdict == "contradicted"


def test_strategies_are_paired_on_the_examples_of_each_domain(run: Run) -> None:
    groups, source = gather(run.records), Source(run.predictions)
    first, second = (elsewhere(group, "accuracy", source) for group in groups.values())
    assert first is not None
    assert second is not None
    paired = first.minus(second)
    assert paired is not None
    apart = first.draws.var(0).mean() + second.draws.var(0).mean()
    assert paired.draws.var(0).mean() < 0.5 * apart


def test_the_noise_of_independent_test_sets_adds_up() -> None:
    draws = np.random.default_rng(0).normal(size=(4000, 1))
    one = Resampled((0,), np.array([0.8]), draws, np.arange(9))
    drop = weighted([(1.0, one), (-1.0, replace(one, scores=np.array([0.6])))])
    assert drop is not None
    assert drop.scores == pytest.approx([0.2])
    assert drop.draws.var() == pytest.approx(2 * draws.var(), rel=0.1)


def test_a_sum_needs_every_test_set_on_the_same_seeds() -> None:
    one = Resampled((0,), np.array([0.8]), np.zeros((9, 1)), np.arange(9))
    assert weighted([(0.5, one), (0.5, None)]) is None
    assert weighted([(0.5, one), (0.5, replace(one, seeds=(1,)))]) is None
