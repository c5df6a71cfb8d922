"""What claims measure on one task: the effect with its variance, or why there is none."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, t

from bench.analysis.claims.best_rates import _by_seed, _grid_step
from bench.analysis.claims.declared import Declared, Tried
from bench.analysis.claims.evidence import Evidence, NotTestable
from bench.analysis.claims.measures import measure
from bench.analysis.claims.part import ONE_SEED, mean_over_seeds
from bench.analysis.claims.published import (
    BestClaim,
    Claim,
    CostClaim,
    DifferenceClaim,
    ForgettingClaim,
    GrowthClaim,
    RateClaim,
    ScoreClaim,
)
from bench.analysis.groups import Group
from bench.analysis.loading import Run
from bench.analysis.statistics.best_of import best_gain
from bench.analysis.statistics.metrics import ratios
from bench.contracts import Recipe
from bench.registry import Registry, discover
from bench.runs.record import LanguageLoss, Record, Seconds, Trial
from tests.analysis.claims.made import DECLARED
from tests.analysis.claims.measured import run_of
from tests.analysis.conftest import MACHINE, make_record


def evidence(records: list[Record], declared: Declared | None = None) -> Evidence:
    return Evidence.of(Run("a run", records, {}.__getitem__), declared)


# --------------------------------------------------------------------------------------------------
# Times

COST = CostClaim(name="c", source="", says="", kind="cost", first="frozen", second="full", below=0.9)
OWN, OTHER = (1.0, 1.1), (4.0, 4.8)


def timed(strategy: str, seconds: tuple[float, ...], **changes: object) -> list[Record]:
    return [
        make_record("reviews", strategy, seed, seconds=Seconds(train=spent, cold=spent + 1), **changes)
        for seed, spent in enumerate(seconds)
    ]


def test_two_measurements_of_each_time_are_enough() -> None:
    """By hand: the pooled variance of the logarithms, divided by the measurements of each mean."""
    others = (4.0, 4.8, 4.4)
    (part,) = measure(COST, evidence([*timed("frozen", OWN), *timed("full", others)]))
    assert part.effect is not None
    squares = sum(float(((logs - logs.mean()) ** 2).sum()) for logs in (np.log(OWN), np.log(others)))
    variance = squares / 3 * (1 / 2 + 1 / 3)
    value, half = math.log(1.05 / 4.4), t.ppf(0.975, 3) * math.sqrt(variance)
    assert (part.effect.value, part.effect.variance) == pytest.approx((value, variance))
    assert (part.effect.low, part.effect.high) == pytest.approx((value - half, value + half))
    assert (part.name, part.above, part.reason) == ("reviews minilm", None, "")
    assert (part.sides.first.key.strategy, part.sides.second.key.strategy) == ("frozen", "full")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (OWN[:1], OTHER, "times need two seeds of both strategies"),
        (OWN, OTHER[:1], "times need two seeds of both strategies"),
        ((2.0, 2.0), OTHER, "the time of frozen was measured once and copied to all seeds"),
        ((0.0, 0.0), (4.0, 4.0), "the time of frozen and full was measured once and copied to all seeds"),
    ],
)
def test_a_time_that_is_not_known_well_enough_gives_no_ratio(
    first: tuple[float, ...], second: tuple[float, ...], reason: str
) -> None:
    (part,) = measure(COST, evidence([*timed("frozen", first), *timed("full", second)]))
    assert (part.effect, part.reason) == (None, reason)


def test_times_of_two_machines_are_not_compared_nor_pooled() -> None:
    other = MACHINE.model_copy(update={"processor": "Another CPU"})
    elsewhere = timed("lora", (1.0, 9.0), machine=other)  # as noisy as no time here
    (part,) = measure(COST, evidence([*timed("frozen", OWN), *timed("full", OTHER, machine=other)]))
    assert (part.effect, part.reason) == (None, "the two strategies ran on different machines")
    alone, beside = (
        measure(COST, evidence([*timed("frozen", OWN), *timed("full", OTHER), *more]))[0].effect
        for more in ([], elsewhere)
    )
    assert alone == beside


@pytest.mark.parametrize(("trainable", "above"), [(10, math.log(10 / 1000)), (0, None)])
def test_the_bound_of_a_time_is_the_ratio_of_parameters(trainable: int, above: float | None) -> None:
    claim = COST.model_copy(update={"below": None, "above_parameters": True})
    records = [*timed("frozen", OWN, trainable=trainable), *timed("full", OTHER, trainable=1000)]
    assert measure(claim, evidence(records))[0].above == (above and pytest.approx(above))
    assert measure(COST, evidence(records))[0].above is None


# --------------------------------------------------------------------------------------------------
# Forgetting

FORGETTING = ForgettingClaim(
    name="f", source="", says="", kind="forgetting", first="lora", second="full", below=1.0
)


def forgetful(strategy: str, losses: dict[int, float | None]) -> list[Record]:
    return [
        make_record("reviews", strategy, seed).model_copy(
            update={
                "language_loss": LanguageLoss(kind="masked", before=2.0, after=after)
                if after is not None
                else LanguageLoss(reason="no LM head")
            }
        )
        for seed, after in losses.items()
    ]


def test_the_ratio_of_perplexities_is_that_of_the_seeds_of_both() -> None:
    records = [*forgetful("lora", {0: 3.0, 1: 3.4, 5: 9.0}), *forgetful("full", {1: 3.5, 0: 3.3, 7: 1.0})]
    (part,) = measure(FORGETTING, evidence(records))
    differences = [-0.3, -0.1]
    half = t.ppf(0.975, 1) * np.std(differences, ddof=1) / math.sqrt(2)
    assert part.effect is not None
    assert part.effect.value == pytest.approx(-0.2)
    assert (part.effect.low, part.effect.high) == pytest.approx((-0.2 - half, -0.2 + half))
    assert part.effect.variance == pytest.approx(np.var(differences, ddof=1) / 2)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ({0: 3.0, 5: 3.1}, ONE_SEED),
        ({5: 3.0, 6: 3.1}, ONE_SEED),
        ({0: None, 1: None}, "no LM head"),
        ({0: 3.0, 1: None}, ONE_SEED),
    ],
)
def test_one_seed_in_common_says_nothing_of_forgetting(losses: dict[int, float | None], reason: str) -> None:
    (part,) = measure(
        FORGETTING, evidence([*forgetful("lora", losses), *forgetful("full", {0: 3.3, 1: 3.5})])
    )
    assert (part.effect, part.reason) == (None, reason)


# --------------------------------------------------------------------------------------------------
# Rates

RATE = RateClaim(name="r", source="", says="", kind="rate", first="lora", second="full", above=5, below=20)


def tried_by(strategy: str, seed: int, kept: float, scales: tuple[float, ...], **changes: object) -> Record:
    trials = tuple(Trial(scale=scale, loss=abs(scale - kept), kept=scale == kept) for scale in scales)
    return make_record("movie-sentiment", strategy, seed, trials=trials, **changes)


def test_the_best_rates_are_known_to_within_a_step_of_each_grid() -> None:
    """LoRA declares five times the rate of full. Uniform within a step, on the scale of logarithms."""
    records = [
        *(tried_by("lora", seed, kept, (1, 2, 4, 8)) for seed, kept in enumerate((2, 4, 2))),
        *(tried_by("full", seed, 1, (0.1, 1, 10)) for seed in range(3)),
    ]
    (part,) = measure(RATE, evidence(records, DECLARED))
    logs = np.log([10, 20, 10])
    steps = (math.log(2) ** 2 + math.log(10) ** 2) / 12
    own = logs.var(ddof=1) / 3
    assert part.effect is not None
    assert (part.effect.value, part.effect.variance) == pytest.approx((logs.mean(), own + steps))
    half = math.hypot(t.ppf(0.975, 2) * math.sqrt(own), 1.96 * math.sqrt(steps))
    assert (part.effect.low, part.effect.high) == pytest.approx((logs.mean() - half, logs.mean() + half))
    assert part.reason == ""


def test_without_declared_rates_or_common_seeds_the_best_are_not_known() -> None:
    scales = (1, 2, 4)
    same = [tried_by(name, 0, 2, scales) for name in ("lora", "full")]
    apart = [tried_by("lora", 0, 2, scales), tried_by("full", 1, 2, scales)]
    for records, declared in ((same, None), (apart, DECLARED)):
        (part,) = measure(RATE, evidence(records, declared))
        assert (part.effect, part.reason) == (None, "the best learning rates are not known")


def test_the_best_rate_of_a_seed_is_its_own_scale_or_the_one_that_its_suite_fixed() -> None:
    """The first cell tried scales on top of one of 3; that of the second, which is 3, was chosen before; the
    third kept none that it tried."""
    default = DECLARED.rate(make_record("movie-sentiment", "lora").cell)
    assert default is not None
    declared = Declared(Registry(discover()), lambda cell: Tried(3.0, (1.0, 3.0, 9.0)))
    records = [
        tried_by("lora", 0, 2, (1, 2, 4), recipe=Recipe(rate_scale=3.0)),
        tried_by("lora", 1, 2, (), recipe=Recipe(rate_scale=3.0)),
        tried_by("lora", 2, 9, (1, 2, 4)),
    ]
    group = Group(next(iter(evidence(records).groups)), tuple(records))
    assert _by_seed(group, evidence(records, declared)) == {
        0: pytest.approx(default * 6),
        1: pytest.approx(default * 3),
    }


def test_a_grid_step_does_not_depend_on_the_unit_of_the_scales() -> None:
    assert _grid_step([2.0, 4.0, 16.0]) == pytest.approx(math.log(8) / 2)
    assert _grid_step([2.0, 6.0]) == pytest.approx(math.log(3))


# --------------------------------------------------------------------------------------------------
# Means and gains


def test_the_mean_of_two_seeds_has_students_interval_of_one_degree_of_freedom() -> None:
    found = mean_over_seeds([0.1, 0.3])
    half = t.ppf(0.975, 1) * 0.1
    assert (found.low, found.high, found.variance) == pytest.approx((0.2 - half, 0.2 + half, 0.01))


def test_the_interval_of_a_gain_begins_at_that_of_all_ways_to_draw_the_seeds() -> None:
    scores = [0.5, 0.62, 0.6, 0.75, 0.9]
    ranks = np.arange(6) / 5
    gains = [
        float(np.diff(ranks**3) @ np.sort(drawn)) - np.mean(drawn)
        for drawn in itertools.product(scores, repeat=5)
    ]
    assert abs(np.quantile(gains, 0.025) - np.quantile(gains, 0.05)) > 0.008
    assert best_gain(scores, 3).low == pytest.approx(np.quantile(gains, 0.025), abs=0.004)


def test_the_interval_of_a_gain_ends_at_the_largest_that_their_deviation_allows() -> None:
    """Of two runs sigma / sqrt(3), at the upper limit of sigma by the chi-squared distribution."""
    scores = [0.5, 0.62, 0.6, 0.75, 0.9]
    found, deviation = best_gain(scores, 2), np.std(scores, ddof=1) * math.sqrt(4 / chi2.ppf(0.025, 4))
    assert found.high == pytest.approx(deviation / math.sqrt(3))
    assert math.sqrt(found.variance) == pytest.approx((found.value - found.low) / 1.96)


def test_the_interval_of_a_gain_holds_the_truth() -> None:
    """The quantiles of the bootstrap were below it for nearly half of such seeds."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50_000, 20)).max(1).mean()
    found = [best_gain(rng.normal(size=20).tolist(), 20) for _ in range(40)]
    assert np.mean([item.value for item in found]) == pytest.approx(truth, abs=0.25)
    assert sum(item.low <= truth <= item.high for item in found) >= 38


BEST = BestClaim(name="b", source="", says="", kind="best", strategy="full", runs=2, above=0.0)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ((0.6, 0.7), ""),
        ((0.6, 0.6), "all seeds have the same score"),
        ((0.6,), "the best of 2 seeds is not known from 1 seed"),
    ],
)
def test_few_seeds_and_those_of_one_score_have_no_best(scores: tuple[float, ...], reason: str) -> None:
    records = [make_record("reviews", "full", seed, accuracy=score) for seed, score in enumerate(scores)]
    (part,) = measure(BEST, evidence(records))
    assert (part.effect is None, part.reason) == (bool(reason), reason)
    assert part.effect is None or part.effect.value == pytest.approx(0.05)


@pytest.mark.parametrize(("metric", "gain"), [("", 0.1), ("accuracy", 0.1), ("f1", 0.2)])
def test_a_claim_is_about_its_metric_or_the_headline(metric: str, gain: float) -> None:
    """The best of two of two seeds gains half of their difference."""
    records = [
        make_record(
            "reviews", "full", seed, scores={"test": {"accuracy": 0.6 + 0.2 * seed, "f1": 0.5 + 0.4 * seed}}
        )
        for seed in range(2)
    ]
    (part,) = measure(BEST.model_copy(update={"metric": metric}), evidence(records))
    assert part.effect is not None
    assert part.effect.value == pytest.approx(gain)


def effect_of(claim: Claim, run: Run) -> float:
    (part,) = measure(claim, Evidence.of(run))
    assert part.effect is not None
    return part.effect.value


def mean_of(run: Run, task: str, strategy: str, metric: str) -> float:
    return float(
        np.mean(
            [
                r.scores["test"][metric]
                for r in run.records
                if (r.cell.task, r.cell.strategy) == (task, strategy)
            ]
        )
    )


DIFFERENCE = DifferenceClaim(
    name="d", source="", says="", kind="difference", first="full", second="frozen", above=0.0
)
SCORE = ScoreClaim(name="s", source="", says="", kind="score", strategy="full", above=0.0)
GROWTH = GrowthClaim(name="g", source="", says="", kind="growth", first="full", second="frozen", above=0.0)
SIZED = run_of(
    {
        ("a@100", "full"): 0.6,
        ("a@100", "frozen"): 0.7,
        ("a@400", "full"): 0.65,
        ("a@400", "frozen"): 0.7,
        ("a@800", "full"): 0.9,
        ("a@800", "frozen"): 0.8,
    }
)
UNEVEN = np.random.default_rng(0).random(1000) < 0.9
"""Nine in ten examples have one label, so F1 is not accuracy."""


def uneven(run: Run) -> Run:
    """The run on examples of which most have one label."""
    files = {}
    for record in run.records:
        rows = dict(run.predictions(record.cell.id))  # type: ignore[arg-type]
        gold = np.where(UNEVEN, "pos", "neg").astype(object)
        other = np.where(UNEVEN, "neg", "pos").astype(object)
        files[record.cell.id] = {
            **rows,
            "reference": gold,
            "prediction": np.where(rows["correct"] == 1, gold, other),
        }
    records = [
        record.model_copy(
            update={
                "scores": {"test": {m.name: ratios(m, files[record.cell.id]).score() for m in record.metrics}}
            }
        )
        for record in run.records
    ]
    return Run("uneven", records, files.__getitem__)


@pytest.mark.parametrize("metric", ["", "accuracy", "f1"])
def test_scores_differences_and_growth_are_of_the_metric(metric: str) -> None:
    run, name = uneven(SIZED), metric or "accuracy"
    at = {
        (size, strategy): mean_of(run, f"a@{size}", strategy, name)
        for size in (100, 800)
        for strategy in ("full", "frozen")
    }
    assert mean_of(run, "a@800", "full", "accuracy") - mean_of(run, "a@800", "full", "f1") > 0.02
    asked = {"metric": metric}
    assert effect_of(SCORE.model_copy(update=asked), run) == pytest.approx(at[800, "full"])
    largest = at[800, "full"] - at[800, "frozen"]
    assert effect_of(DIFFERENCE.model_copy(update=asked), run) == pytest.approx(largest)
    smallest = at[100, "full"] - at[100, "frozen"]
    assert effect_of(GROWTH.model_copy(update=asked), run) == pytest.approx(largest - smallest)


def test_growth_is_of_tasks_that_the_claim_is_about_at_two_sizes() -> None:
    (part,) = measure(GROWTH, Evidence.of(SIZED))
    assert part.name == "a minilm from 100 to 800 examples"
    groups = (part.sides.first, part.sides.second, *part.sides.earlier)
    assert [group.key for group in groups] == [
        (f"a@{size}", strategy, "minilm") for size in (800, 100) for strategy in ("full", "frozen")
    ]
    two = [record for record in SIZED.records if record.cell.task in ("a@100", "a@400")]
    (part,) = measure(GROWTH, Evidence.of(replace(SIZED, records=two)))
    assert part.name == "a minilm from 100 to 400 examples"
    one = [record for record in SIZED.records if record.cell.task == "a@100"]
    for claim, records in ((GROWTH, one), (GROWTH.model_copy(update={"tasks": ("b",)}), SIZED.records)):
        with pytest.raises(NotTestable, match="were not run at two sizes"):
            measure(claim, Evidence.of(replace(SIZED, records=records)))
