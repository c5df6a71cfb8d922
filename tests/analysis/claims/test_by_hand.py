"""What claims measure and how they are judged, against a second computation and on both sides of each bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from bench.analysis.claims.best_rates import _at_edge, _grid_step
from bench.analysis.claims.conditions import Sides, budget, converged, losers, steps
from bench.analysis.claims.declared import Tried, _learns, tried
from bench.analysis.claims.evidence import Evidence, fits, where
from bench.analysis.claims.findings import (
    ClaimFinding,
    Estimate,
    TaskFinding,
    _strongest,
    number,
    report,
    table,
)
from bench.analysis.claims.part import ONE_SEED, UNPAIRED, Part, estimated, mean_over_seeds, minus
from bench.analysis.claims.published import DifferenceClaim
from bench.analysis.claims.verify import _of_encoders, _over_tasks, _verdict
from bench.analysis.groups import Group, Key
from bench.analysis.loading import Run
from bench.analysis.statistics.best_of import best_gain
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.over_tasks import Effect, random_effects
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.timing import Timing, training
from bench.contracts import Phase, Recipe
from bench.runs.record import Point, Record, Seconds, Trial
from tests.analysis.conftest import MACHINE, make_record

CLAIM = DifferenceClaim(
    name="c", source="a paper", says="It is.", kind="difference", first="full", second="frozen", above=0.0
)


def group(strategy: str = "full", *records: Record) -> Group:
    return Group(Key("reviews", strategy, "minilm"), records or (make_record(strategy=strategy),))


# --------------------------------------------------------------------------------------------------
# Verdicts


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "expected"),
    [
        (0.1, 0.2, 0.0, None, "confirmed"),
        (0.0, 0.2, 0.0, None, "undecided"),
        (-0.2, 0.0, 0.0, None, "contradicted"),
        (-0.2, 0.01, 0.0, None, "undecided"),
        (0.1, 0.2, None, 0.3, "confirmed"),
        (0.1, 0.3, None, 0.3, "undecided"),
        (0.3, 0.4, None, 0.3, "contradicted"),
        (0.29, 0.4, None, 0.3, "undecided"),
        (0.1, 0.2, 0.0, 0.3, "confirmed"),
        (-0.1, 0.4, 0.0, 0.3, "undecided"),
        (0.31, 0.4, 0.0, 0.3, "contradicted"),
        (-0.4, -0.1, 0.0, 0.3, "contradicted"),
    ],
)
def test_an_interval_and_its_bounds(low: float, high: float, above: Any, below: Any, expected: str) -> None:
    assert _verdict(Estimate((low + high) / 2, low, high), above, below) == expected


FIRST, SECOND = group("full"), group("frozen")


@pytest.mark.parametrize(
    ("above", "below", "value", "expected"),
    [
        (0.0, None, 0.1, ["frozen"]),
        (0.0, None, 0.0, ["full"]),
        (None, 0.2, 0.1, ["full"]),
        (None, 0.2, 0.2, ["frozen"]),
        (0.0, 0.2, 0.1, ["full", "frozen"]),
    ],
)
def test_the_loser_is_on_the_wrong_side_of_the_bound(
    above: Any, below: Any, value: float, expected: list[str]
) -> None:
    claim = CLAIM.model_copy(update={"above": above, "below": below})
    assert [item.key.strategy for item in losers(claim, Sides(FIRST, SECOND), value)] == expected
    assert [item.key.strategy for item in losers(claim, Sides(FIRST, FIRST), value)] == ["full"]


def over(values: dict[str, float], error: float = 0.01, tasks: tuple[str, ...] = ()) -> ClaimFinding:
    """The verdict over tasks whose effects have these values and this error; a task is the first letter."""
    parts, found = [], []
    for name, value in values.items():
        effect = Effect(value, error**2, value - 2 * error, value + 2 * error)
        shown = Estimate(value, effect.low, effect.high)
        verdict = _verdict(shown, 0.0, None)
        found.append(TaskFinding(name[0], name, verdict, shown))
        parts.append(Part(name, Sides(FIRST, SECOND), effect))
    claim = CLAIM.model_copy(update={"tasks": tasks})
    return _over_tasks(
        ClaimFinding(claim, "r", "not testable", "points", above=0.0, tasks=tuple(found)), parts
    )


def test_verdicts_over_tasks() -> None:
    assert over({"a": 0.1, "b": 0.11, "c": 0.1}).verdict == "confirmed"
    assert over({"a": -0.1, "b": -0.11, "c": -0.1}).verdict == "contradicted"
    few = over({"a": 0.1, "b": 0.01})
    assert (few.verdict, few.reason.startswith("the interval over tasks")) == ("undecided", True)
    alone = over({"a": 0.1})
    assert (alone.verdict, alone.reason) == ("undecided", "one task says nothing about other tasks")
    assert over({"a": 0.1}, tasks=("a",)).verdict == "confirmed"
    unsure = over({"a": 0.01}, tasks=("a",))
    assert (unsure.verdict, unsure.reason.startswith("the interval contains")) == ("undecided", True)
    apart = over({"a": 0.1, "b": -0.1})
    assert (apart.verdict, apart.reason) == ("tasks disagree", "confirmed on a; contradicted on b")


def test_the_estimate_over_tasks_has_each_task_once() -> None:
    found = over({"a1": 0.1, "a2": 0.3, "b": 0.4})
    effects = [Effect(0.2, 1e-4, 0.18, 0.22), Effect(0.4, 1e-4, 0.38, 0.42)]
    expected = random_effects(effects)
    assert found.estimate == Estimate(
        *(pytest.approx(x) for x in (expected.value, expected.low, expected.high))
    )


def test_encoders_of_a_task_share_its_errors() -> None:
    one, two = Effect(0.1, 0.01, 0.0, 0.2), Effect(0.3, 0.03, 0.0, 0.8)
    assert _of_encoders([one]) == one
    found = _of_encoders([one, two])
    assert (found.value, found.variance, found.low, found.high) == pytest.approx((0.2, 0.02, -0.05, 0.45))


# --------------------------------------------------------------------------------------------------
# Effects


def test_a_mean_over_seeds_has_students_interval() -> None:
    values = [0.1, 0.4, 0.3]
    error = np.std(values, ddof=1) / math.sqrt(3)
    half = t.ppf(0.975, 2) * error
    found = mean_over_seeds(values)
    assert (found.value, found.variance) == pytest.approx((np.mean(values), error**2))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    more = mean_over_seeds(values, known=0.04)
    assert more.variance == pytest.approx(error**2 + 0.04)
    assert more.high - more.value == pytest.approx(math.sqrt(half**2 + (1.96 * 0.2) ** 2))
    assert mean_over_seeds([0.2, 0.2]) == Effect(
        pytest.approx(0.2), 0, pytest.approx(0.2), pytest.approx(0.2)
    )
    assert mean_over_seeds([0.2], known=0.01).high == pytest.approx(0.2 + 0.196)


def test_the_gain_of_the_best_of_two_seeds() -> None:
    scores = [0.6, 0.7, 0.9]
    found = best_gain(scores, 2)
    assert found.value == pytest.approx((0.7 + 0.9 + 0.9) / 3 - np.mean(scores))
    assert found.low == pytest.approx(0, abs=1e-12)


def test_a_grid_step_is_the_mean_ratio_of_neighbours() -> None:
    assert _grid_step([1.0, 2.0, 8.0]) == pytest.approx(math.log(8) / 2)
    assert _grid_step([3.0]) == 0


def trials(kept: float, *scales: float) -> tuple[Trial, ...]:
    return tuple(Trial(scale=scale, loss=1.0, kept=scale == kept) for scale in scales)


@pytest.mark.parametrize(
    ("kept", "edge"),
    [((1, 1, 2), True), ((1, 2, 2), False), ((4, 2, 2), False), ((1, 2), False), ((1, 4), True)],
)
def test_most_seeds_at_an_end_of_the_grid(kept: Sequence[float], edge: bool) -> None:
    records = [make_record(seed=seed, trials=trials(scale, 1, 2, 4)) for seed, scale in enumerate(kept)]
    evidence = Evidence.of(Run("r", records, {}.__getitem__))
    assert _at_edge(group("full", *records), evidence) is edge


def test_what_a_cell_tried() -> None:
    found = tried(make_record(trials=trials(2, 1, 2, 4)), None)
    assert (found.kept, found.scales, found.at_edge) == (2, (1, 2, 4), False)
    assert Tried(1, (1, 2)).at_edge
    assert Tried(2, (1, 2)).at_edge
    assert tried(make_record(trials=trials(9, 1, 2)), None).kept is None
    assert tried(make_record(), None) == Tried()


def test_training_seconds_are_those_that_a_strategy_can_save() -> None:
    parts = Seconds(prepare=64, prefix=1, compile=2, train=4, evaluate=8, tune=16, cold=99)
    beside = MACHINE.model_copy(update={"seeds_at_once": 2})
    records = [
        make_record(seconds=parts),
        make_record(seed=1, seconds=Seconds(cold=9)),
        make_record(seed=2, seconds=parts, machine=beside),
    ]
    assert training(records) == Timing((1,), (6,))
    assert training(records[1:]) is None


# --------------------------------------------------------------------------------------------------
# Conditions


def curve(*losses: float) -> tuple[Point, ...]:
    return tuple(
        Point(step=7 * n, epoch=n, seconds=n, phase=1, train_loss=loss, loss=loss, score=0.5)
        for n, loss in enumerate(losses, 1)
    )


def test_steps_are_those_of_the_curve_or_of_rows_batches_and_epochs() -> None:
    assert steps(make_record(curve=curve(0.5, 0.4, 0.3))) == 21
    record = make_record(curve=(), recipe=Recipe(batch_size=32, epochs=2.5))
    assert steps(record) == budget(record) == 40  # 500 rows: 16 batches
    exact = record.model_copy(update={"data": record.data.model_copy(update={"sizes": {"train": 512}})})  # type: ignore[union-attr]
    assert budget(exact) == 40
    more = record.model_copy(update={"data": record.data.model_copy(update={"sizes": {"train": 513}})})  # type: ignore[union-attr]
    assert budget(more) == 42


@pytest.mark.parametrize(
    ("losses", "expected"),
    [((0.5, 0.4, 0.45), True), ((0.5, 0.4), False), ((0.4, 0.4), False), ((0.4,), False), ((), False)],
)
def test_a_loss_that_rose_again_has_converged(losses: Sequence[float], expected: bool) -> None:
    assert converged(make_record(curve=curve(*losses))) is expected


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((("*", 1e-4),), True),
        ((("*", 0.0),), False),
        ((("layers.3.*", 1e-4), ("*", 0.0)), True),
        ((("layers.2.*", 1e-4), ("*", 0.0)), False),
        ((("layers.3.*", 0.0), ("*", 1e-4)), False),
        ((("*.bias", 1e-4), ("*", 0.0)), True),
        ((("layers.3.norm.*", 0.0), ("*", 1e-4)), True),
        ((), False),
    ],
)
def test_a_layer_learns_where_a_pattern_may_match_one_of_its_parameters(rates: Any, expected: bool) -> None:
    assert _learns(Phase(1.0, rates), 3) is expected


def test_a_claim_is_about_its_tasks_and_encoders() -> None:
    claim = CLAIM.model_copy(update={"tasks": ("reviews",), "backbones": ("minilm", "bert")})
    assert fits(claim, Key("reviews@100", "x", "bert"))
    assert not fits(claim, Key("news", "x", "bert"))
    assert not fits(claim, Key("reviews", "x", "glove"))
    assert fits(CLAIM, Key("news", "x", "glove"))
    assert (where(claim), where(CLAIM)) == (" on reviews with minilm, bert", " on the same task and encoder")


# --------------------------------------------------------------------------------------------------
# In words


def test_numbers_are_in_the_unit_of_the_claim() -> None:
    found = ClaimFinding(CLAIM, "r", "confirmed", "points")
    assert [number(replace(found, unit=unit), 0.1234) for unit in ("points", "score", "times")] == [
        "+12.3",
        "12.3",
        "×0.12",
    ]


def test_runs_that_contradict_each_other_disagree() -> None:
    assert _strongest(["undecided", "confirmed", "not testable"]) == "confirmed"
    assert _strongest(["contradicted", "undecided"]) == "contradicted"
    assert _strongest(["contradicted", "confirmed"]) == "tasks disagree"
    assert _strongest(["not testable", "undecided"]) == "undecided"


def test_a_report_in_full() -> None:
    task = TaskFinding("a", "a minilm", "confirmed", Estimate(0.1, 0.05, 0.15), above=0.0)
    poor = TaskFinding("b", "b minilm", "not testable", None, "too few", 0.0)
    whole = ClaimFinding(
        CLAIM, "r", "undecided", "points", Estimate(0.1, -0.05, 0.25), 0.0, 0.4, "few tasks", (task, poor)
    )
    none = ClaimFinding(CLAIM, "other", "not testable", "points", above=0.0, below=0.4, reason="no tasks")
    text = report([none, whole])
    assert text.split("\n\n")[:2] == [
        "c: It is.\n"
        "  (a paper)\n"
        "  r\n"
        "    a minilm: confirmed: +10.0 (95%: +5.0 to +15.0; claimed above +0.0 and below +40.0)\n"
        "    b minilm: not testable (too few)\n"
        "    over tasks: undecided: +10.0 (95%: -5.0 to +25.0; claimed above +0.0 and below +40.0) (few tasks)",
        "1 claim: 0 confirmed, 0 contradicted, 0 tasks disagree, 1 undecided, 0 not testable.",
    ]
    assert "  other: not testable (no tasks)" in report([none])
    (block,) = table([whole]).blocks
    assert [[entry.value for entry in row.entries] for row in block.rows] == [
        ["confirmed", "+10.0", "+5.0 to +15.0", "above +0.0 and below +40.0", "–"],
        ["not testable", "–", "–", "above +0.0 and below +40.0", "too few"],
        ["undecided", "+10.0", "-5.0 to +25.0", "above +0.0 and below +40.0", "few tasks"],
    ]


def test_a_resampled_effect_needs_two_seeds_and_common_examples() -> None:
    two = Resampled(
        (0, 1), np.array([0.1, 0.2]), np.array([[0.1, 0.3], [0.2, 0.2], [0.0, 0.1]]), np.arange(3)
    )
    one = replace(two, seeds=(0,), scores=two.scores[:1], draws=two.draws[:, :1])
    sides = Sides(FIRST, SECOND)
    found = {
        part.name: part
        for part in estimated({"two": (sides, two), "one": (sides, one), "none": (sides, None)})
    }
    interval = intervals({"two": two.components()})["two"]
    assert found["two"].effect == Effect(
        pytest.approx(0.15), pytest.approx((interval.half / 1.96) ** 2), interval.low, interval.high
    )
    assert found["two"].reason == ""
    assert (found["one"].effect, found["one"].reason) == (None, ONE_SEED)
    assert (found["none"].effect, found["none"].reason) == (None, UNPAIRED)
    (known,) = estimated({"two": (sides, two)}, ("two",))
    assert known.effect is not None
    alone = replace(two.components(), example=0.0)
    assert known.effect.high == pytest.approx(intervals({0: alone})[0].high)


@pytest.mark.parametrize(("clusters", "half"), [(2, 12.71), (3, 4.30)])
def test_the_variance_of_an_effect_on_few_documents_is_that_of_its_interval(
    clusters: int, half: float
) -> None:
    """Student's t has no variance at one and two degrees of freedom: that of its grid is where the grid ends."""
    draws = np.random.default_rng(0).normal(0.15, 0.1, size=(5000, 1)).repeat(2, axis=1)
    scores = Resampled((0, 1), np.array([0.15, 0.15]), draws, np.arange(400), clusters)
    (part,) = estimated({"few": (Sides(FIRST, SECOND), scores)})
    assert part.effect is not None
    assert part.effect.high - part.effect.value == pytest.approx(0.1 * half, rel=0.03)
    assert part.effect.variance == pytest.approx((0.1 * half / 1.96) ** 2, rel=0.06)


def test_a_share_of_the_second_is_taken_off() -> None:
    two = Resampled((0, 1), np.array([0.5, 0.6]), np.full((3, 2), 4.0), np.arange(3))
    found = minus(two, replace(two, scores=np.array([0.2, 0.4])), 0.5)
    assert found is not None
    assert found.scores == pytest.approx([0.4, 0.4])
    assert found.draws == pytest.approx(np.full((3, 2), 2.0))
    assert minus(two, None) is None
    assert minus(None, two) is None
