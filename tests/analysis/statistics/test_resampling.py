"""The bootstrap, against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.metrics import Ratios, clustered, draw, ratios, resample_counts
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.contracts import Metric
from tests.analysis.conftest import make_predictions, make_record

EXAMPLES, DRAWS = 200, 4000
ACCURACY = Metric("accuracy", "mean", ("correct",))


def right(count: int, examples: int = EXAMPLES) -> np.ndarray:
    return (np.arange(examples) < count).astype(float)


def accuracy(correct: np.ndarray) -> Ratios:
    return ratios(ACCURACY, {"correct": correct})


def test_counts_are_multinomial() -> None:
    """Each example is drawn binomially, and two of them are as negatively correlated as n draws make them."""
    counts = resample_counts(40, DRAWS, (3,)).astype(int)
    assert (counts.sum(1) == 40).all()
    seen = np.bincount(counts.ravel(), minlength=6)
    expected = binom.pmf(np.arange(5), 40, 1 / 40)
    tailed = [*seen[:5], seen[5:].sum()]
    assert chisquare(tailed, np.append(expected, 1 - expected.sum()) * counts.size).pvalue > 1e-3
    covariance = np.cov(counts, rowvar=False)
    assert covariance[~np.eye(40, dtype=bool)].mean() == pytest.approx(-1 / 40, abs=0.003)


def test_resamples_differ_between_draws_and_seeds() -> None:
    first, second = (resample_counts(50, 30, (seed,)) for seed in (0, 1))
    assert len({row.tobytes() for counts in (first, second) for row in counts}) == 60


def test_blocks_of_draws_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.analysis.statistics.metrics.BLOCK", 5 * EXAMPLES)
    values = np.random.default_rng(0).random(EXAMPLES)
    draws = draw([accuracy(values)], 40)[:, 0]
    assert len(np.unique(draws)) == 40


@pytest.mark.parametrize("count", [20, 100, 170])
def test_draws_of_a_proportion_are_binomial(count: int) -> None:
    share = count / EXAMPLES
    draws = draw([accuracy(right(count))], DRAWS)[:, 0]
    variance = share * (1 - share) / EXAMPLES
    assert draws.mean() == pytest.approx(share, abs=4 * np.sqrt(variance / DRAWS))
    assert draws.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / DRAWS))
    bounds = np.quantile(draws, [0.025, 0.975])
    assert bounds == pytest.approx(binom.ppf([0.025, 0.975], EXAMPLES, share) / EXAMPLES, abs=0.008)


def test_a_difference_of_paired_scores_has_the_variance_of_where_they_differ() -> None:
    """b is right where a is, and on 10 more examples: the noise is that of those 10 alone."""
    first, second = draw([accuracy(right(100)), accuracy(right(110))], DRAWS).T
    share = 10 / EXAMPLES
    variance = share * (1 - share) / EXAMPLES
    assert (second - first).var() == pytest.approx(variance, rel=4 * np.sqrt(2 / DRAWS))
    assert (second - first).mean() == pytest.approx(share, abs=4 * np.sqrt(variance / DRAWS))


def test_examples_of_one_document_are_drawn_together() -> None:
    """Documents of five equal examples: the variance is five times that of as many single examples."""
    correct = np.repeat(right(20, 40), 5)
    draws = draw([clustered(accuracy(correct), np.repeat(np.arange(40), 5))], DRAWS)[:, 0]
    assert draws.var() == pytest.approx(0.25 / 40, rel=4 * np.sqrt(2 / DRAWS))


@pytest.mark.parametrize("documents", [0, 40])
def test_a_group_of_records_is_resampled_as_its_rows_say(documents: int) -> None:
    records = [make_record(seed=seed) for seed in range(2)]
    correct = [np.repeat(right(count, 40), 5) for count in (20, 30)]

    def predictions(cell: str) -> dict[str, np.ndarray]:
        rows = make_predictions(correct[int(cell[-1])])
        names = np.repeat(np.arange(40), 5).astype(str).astype(object)
        return {**rows, "group": names} if documents else rows

    found = resample(Group(Key("reviews", "full", "minilm"), tuple(records)), "accuracy", Source(predictions))
    assert found is not None
    assert found.scores.tolist() == [0.5, 0.75]
    assert found.clusters == documents
    units = documents or 200
    correction = units / (units - 1) if documents else 1.0
    expected = np.array([0.25, 0.1875]) / units * correction
    assert found.draws.var(0) == pytest.approx(expected, rel=0.2)
    assert found.draws.mean(0) == pytest.approx(found.scores, abs=0.01)


def test_a_distribution_has_the_whole_noise_around_the_mean_score() -> None:
    """The examples' part comes from the draws, and the rest of the noise is added once."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0.02, 0.01, 20_000)  # draws that are off centre must be centred
    found = Resampled((0, 1), np.array([0.7, 0.8]), np.stack([shared, shared], 1) + 0.75, np.arange(5))
    drawn = found.distribution(Noise.known(0.03**2), seed=1)
    assert drawn.mean() == pytest.approx(0.75, abs=1e-3)
    assert drawn.std() == pytest.approx(0.03, rel=0.03)
    least = found.distribution(Noise.known(0.0), seed=1)
    assert least.std() == pytest.approx(0.01, rel=0.03)


def test_a_difference_is_taken_seed_by_seed_on_shared_seeds() -> None:
    ids = np.arange(3)
    one = Resampled((0, 1, 2), np.array([0.5, 0.6, 0.7]), np.arange(6.0).reshape(2, 3), ids)
    other = Resampled((2, 1), np.array([0.1, 0.2]), np.array([[1.0, 10.0], [2.0, 20.0]]), ids)
    found = one.minus(other)
    assert found is not None
    assert found.seeds == (1, 2)
    assert found.scores == pytest.approx([0.4, 0.6])
    assert found.draws.tolist() == [[1 - 10, 2 - 1], [4 - 20, 5 - 2]]


def test_clusters_are_as_many_units_as_there_are_of_them():
    found = clustered(accuracy(np.array([1.0, 0.0, 1.0, 1.0])), np.array([0, 0, 1, 2]))
    assert found.numerators[:, 0].tolist() == [1, 1, 1]
    assert found.denominators[:, 0].tolist() == [2, 1, 1]


def test_a_distribution_without_more_noise_is_that_of_the_draws_around_the_mean_score() -> None:
    """Their direction too: strategies that share examples rise and fall together."""
    draws = np.random.default_rng(0).normal(0.7, 0.02, (50, 2))
    found = Resampled((0, 1), np.array([0.6, 0.7]), draws, np.arange(5)).distribution(
        Noise.known(0.0), seed=3
    )
    assert found == pytest.approx(0.65 + draws.mean(1) - draws.mean())


@pytest.mark.parametrize("examples", ["xx", "xy", "xyx", "xyy", "xxy"])
def test_seeds_that_were_scored_on_different_examples_are_not_resampled(examples: str) -> None:
    records = [make_record(seed=seed) for seed in range(len(examples))]
    rows = make_predictions(right(30, 40))
    files = {
        record.cell.id: {**rows, "id": np.array([f"{name}{place}" for place in range(40)], object)}
        for record, name in zip(records, examples, strict=True)
    }
    group = Group(Key("reviews", "full", "minilm"), tuple(records))
    found = resample(group, "accuracy", Source(files.__getitem__))
    assert (found is None) == (len(set(examples)) > 1)


def test_the_rows_of_every_test_set_that_has_some() -> None:
    rows = make_predictions(right(3, 8))
    rows["split"] = np.repeat(np.array(["test", "tweets"], object), [5, 3])
    record = make_record(scores={"test": {}, "tweets": {}, "news": {}})
    found = Source({record.cell.id: rows}.__getitem__).tests(record)
    assert {test: columns["id"].tolist() for test, columns in found.items()} == {
        "test": ["0", "1", "2", "3", "4"],
        "tweets": ["5", "6", "7"],
    }
    assert Source({}.__getitem__).tests(record) == {}
