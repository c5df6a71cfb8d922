"""What rounds say: who is ahead and how surely, and what more rows would bring, on records whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.contracts import BenchError
from bench.recommend.choice import Choice, choose, without_evidence
from bench.recommend.evidence import growth, standing
from bench.runs.record import Seconds
from tests.analysis.conftest import METRICS, make_predictions, make_record

VIEW = "reviews.selection"
SIZES = (100, 200, 400, 800)
EXAMPLES = 400


def rounds(truth: Mapping[str, Sequence[float]], seeds: int = 3, spread: float = 0.01, draw: int = 0) -> Run:
    """Strategies whose true accuracies at SIZES are given; a seed is better or worse as a whole by `spread`."""
    rng = np.random.default_rng(draw)
    difficulty = rng.random(EXAMPLES)
    records, files = [], {}
    for strategy, accuracies in truth.items():
        for size, accuracy in zip(SIZES, accuracies, strict=False):
            for seed in range(seeds):
                ease = (difficulty + 0.3 * rng.random(EXAMPLES)) / 1.3
                limit = np.quantile(ease, accuracy) if accuracy < 1 else 1.0
                rows = make_predictions((ease < limit + spread * rng.normal()).astype(float))
                record = make_record(f"{VIEW}@{size}", strategy, seed)
                scores = {item.name: ratios(item, rows).score() for item in METRICS}
                records.append(record.model_copy(update={"scores": {"test": scores}}))
                files[record.cell.id] = rows
    return Run("reviews", records, files.__getitem__)


def power_law(error: float, slope: float) -> list[float]:
    """Accuracies at SIZES whose error shrinks by a power of the size."""
    return [1 - error * (size / SIZES[0]) ** -slope for size in SIZES]


def test_a_steep_curve_says_what_twice_the_rows_add() -> None:
    found = growth(rounds({"full": power_law(0.5, 0.5)}), VIEW, SIZES, "full", "minilm")
    truth = 0.5 * 8**-0.5 - 0.5 * 16**-0.5
    assert found.gain == pytest.approx(truth, abs=0.02)
    assert found.low < truth < found.high
    assert found.rows == 800


def test_its_interval_covers_the_truth_where_seeds_vary_and_test_rows_are_few() -> None:
    """A difficulty of examples that all sizes share must not be counted as noise of the curve, nor seeds be left
    out: of 40 repetitions an interval of 95% that is right misses more than 6 less than once in a hundred."""
    truth = 0.4 * 8**-0.3 - 0.4 * 16**-0.3
    runs = (rounds({"full": power_law(0.4, 0.3)}, spread=0.02, draw=draw) for draw in range(40))
    found = [growth(run, VIEW, SIZES, "full", "minilm") for run in runs]
    assert sum(not item.low <= truth <= item.high for item in found) <= 6
    assert np.median([item.high - item.low for item in found]) < 0.1


def test_a_flat_curve_claims_nothing() -> None:
    found = growth(rounds({"full": [0.8] * 4}, spread=0.02), VIEW, SIZES, "full", "minilm")
    assert found.gain is None
    assert found.low < 0 < found.high
    assert "flat" in found.why_not


def test_two_sizes_are_no_curve() -> None:
    found = growth(rounds({"full": [0.6, 0.8]}), VIEW, SIZES, "full", "minilm")
    assert found.gain is None
    assert found.why_not == "full was measured at 2 sizes, and a curve needs 3"


def test_one_seed_at_every_size_is_no_curve() -> None:
    """One seed has no interval, so that no gain has one either."""
    run = rounds({"full": power_law(0.5, 0.5)})
    single = [record for record in run.records if record.cell.seed == 0]
    found = growth(Run(run.name, single, run.predictions), VIEW, SIZES, "full", "minilm")
    assert (found.gain, found.why_not) == (
        None,
        "full was measured with one seed at every size, and another may curve otherwise",
    )
    some = [record for record in run.records if record.cell.seed == 0 or record.cell.task.endswith("@800")]
    assert growth(Run(run.name, some, run.predictions), VIEW, SIZES, "full", "minilm").gain


def test_a_strategy_that_is_far_behind_is_told_apart() -> None:
    now = standing(rounds({"full": [0.85], "top-layers": [0.85], "frozen": [0.6]}), f"{VIEW}@100")
    assert now.behind == ["frozen"]
    assert now.undecided == [name for name in ("full", "top-layers") if name != now.best]
    assert choose(now, "accuracy", 0.02).strategy == now.best


def paced(run: Run, seconds: Mapping[str, float]) -> Run:
    """The run with these seconds a cell, by strategy."""
    records = [
        record.model_copy(update={"seconds": Seconds(cold=seconds[record.cell.strategy])})
        for record in run.records
    ]
    return replace(run, records=records)


SECONDS = {"frozen": 1.0, "top-layers": 5.0, "full": 10.0}


def test_one_seed_tells_large_differences_apart_by_mcnemar() -> None:
    """At 81 against 89 the cheaper one must not be named."""
    now = standing(paced(rounds({"full": [0.893], "frozen": [0.814]}, seeds=1), SECONDS), f"{VIEW}@100")
    assert now.seeds == 1
    assert now.behind == ["frozen"]
    assert now.against_best["frozen"].mcnemar == now.against_best["frozen"].adjusted
    assert choose(now, "cost", 0.02).strategy == "full"


@pytest.mark.parametrize("goal", ["accuracy", "cost"])
def test_what_one_seed_does_not_tell_is_not_as_good(goal: str) -> None:
    """Not known is not tied: the cheaper strategy is not named."""
    now = standing(
        paced(rounds({"full": [0.83], "frozen": [0.82]}, seeds=1, spread=0), SECONDS), f"{VIEW}@100"
    )
    assert now.undecided == ["frozen"]
    assert now.as_good(0.5) == []
    assert choose(now, goal, 0.02) == Choice("full", "not known")


@pytest.mark.parametrize("goal", ["accuracy", "cost"])
def test_of_exactly_equal_scores_the_cheapest_is_named(goal: str) -> None:
    run = rounds({"full": [0.82], "frozen": [0.82]}, seeds=1, spread=0)
    for slow, fast in (("full", "frozen"), ("frozen", "full")):
        now = standing(paced(run, {slow: 10.0, fast: 1.0}), f"{VIEW}@100")
        assert now.means[slow] == now.means[fast]
        assert choose(now, goal, 0.02).strategy == fast


@pytest.mark.parametrize("goal", ["accuracy", "cost"])
def test_of_scores_that_differ_by_rounding_the_cheapest_is_named(goal: str) -> None:
    run = rounds({"full": [0.82], "frozen": [0.82]}, seeds=1, spread=0)
    best = standing(paced(run, SECONDS), f"{VIEW}@100").best
    (other,) = {"full", "frozen"} - {best}
    now = standing(paced(run, {best: 10.0, other: 1.0}), f"{VIEW}@100")
    assert now.best == best
    higher = float(np.nextafter(now.means[best], 1.0))
    for means in ({**now.means, best: higher}, {**now.means, other: higher}):
        assert choose(replace(now, means=means), goal, 0.02) == Choice(other, "equal score")


def test_a_cheap_strategy_far_behind_is_not_one_of_which_nothing_is_known() -> None:
    """By cost, too: it is known to be worse by more than the margin."""
    run = paced(rounds({"full": [0.85], "frozen": [0.6]}, spread=0.002), SECONDS)
    now = standing(run, f"{VIEW}@100")
    assert without_evidence(now, "cost", 0.02) == []
    assert choose(now, "cost", 0.02) == Choice("full", "ahead")
    assert without_evidence(now, "cost", 0.25) == ["frozen"]


def test_a_choice_by_cost_needs_evidence_of_no_relevant_difference() -> None:
    run = paced(rounds({"full": [0.83], "top-layers": [0.83], "frozen": [0.7]}, spread=0.002), SECONDS)
    now = standing(run, f"{VIEW}@100")
    cheap = next(name for name in ("top-layers", "full") if name != now.best)
    assert now.as_good(0.1) == [cheap]
    assert choose(now, "cost", 0.1).strategy == "top-layers"
    assert now.as_good(0.0005) == []
    assert choose(now, "cost", 0.0005).strategy == now.best


def test_as_good_is_seldom_said_of_what_is_worse_by_the_margin() -> None:
    """Strategies whose true scores differ by the margin of 5 points: at most 5 in 100 are called as good. Of 60
    runs, 8 would be more than that with a chance below 1 in 200."""
    wrong = 0
    for draw in range(60):
        run = paced(rounds({"full": [0.85], "frozen": [0.80]}, draw=draw), SECONDS)
        now = standing(run, f"{VIEW}@100")
        wrong += now.best == "full" and "frozen" in now.as_good(0.05)
    assert wrong < 8


def test_a_round_without_a_finished_cell_is_refused() -> None:
    with pytest.raises(BenchError) as error:
        standing(rounds({"full": [0.8]}), f"{VIEW}@999")
    assert error.value.code == "nothing-finished"
