"""Times: a copy is no second measurement, and intervals of ratios cover what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from bench.analysis.tables.build import build
from bench.analysis.timing import Timing, is_charged, noise, pooled_variance, timing, training
from bench.runs.record import Record, Seconds
from tests.analysis.conftest import MACHINE, make_record


def seed(number: int, prepare: float, prefix: float, train: float, strategy: str = "full") -> Record:
    cold = prepare + prefix + train
    seconds = Seconds(prepare=prepare, prefix=prefix, train=train, cold=cold)
    return make_record(strategy=strategy, seed=number, seconds=seconds)


def found(*records: Record) -> Timing:
    result = timing(records)
    assert result is not None
    return result


def test_a_copied_prefix_is_one_measurement_however_long_the_models_took_to_build():
    copies = found(*(seed(n, 0.20 + 0.01 * n, 1.5, 0.1 + 0.01 * n) for n in range(3)))
    assert len(copies.shared) == 1
    assert copies.measurements == 1
    again = found(*(seed(n, 0.20, 1.5 + 0.01 * n, 0.1 + 0.01 * n) for n in range(3)))
    assert (len(again.shared), again.measurements) == (3, 3)


def test_without_a_prefix_preparations_that_are_nearly_the_same_are_one():
    assert len(found(seed(0, 1.563, 0, 1), seed(1, 1.566, 0, 2)).shared) == 1
    assert len(found(seed(0, 1.5, 0, 1), seed(1, 1.9, 0, 2)).shared) == 2


def test_heads_that_trained_together_have_one_training_time():
    together = found(*(seed(n, 0.1, 0, 4.0) for n in range(3)))
    assert (len(together.own), together.measurements) == (1, 1)
    assert found(*(seed(n, 0.1, 0, 4.0 + n) for n in range(3))).measurements == 3


def test_no_interval_where_a_time_was_measured_once():
    once, thrice = Timing((1.0,), (0.1, 0.11)), Timing((0.1,), (1.0, 1.1, 1.05))
    pooled = noise([once, thrice])
    assert pooled.dof == 2
    assert pooled.half(once, thrice) is None
    assert pooled.half(thrice, thrice) is not None
    assert noise([once]).half(once, once) is None


def test_a_known_case():
    one, other = Timing((0.0,), (1.0, 1.1)), Timing((0.0,), (2.0, 2.2))
    variance = (math.log(1.1) / 2) ** 2 * 2
    wanted = t.ppf(0.975, 2) * math.sqrt(variance * (1 / 2 + 1 / 2))
    assert noise([one, other]).half(one, other) == pytest.approx(wanted)


def test_the_interval_of_a_ratio_covers_it():
    """With the prefix measured once a group, by twenty strategies of three seeds, 10% noise each."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        errors = 1 + 0.1 * rng.normal(size=(20, 4))
        groups = [Timing((2 * e[0],), tuple(8 * e[1:])) for e in errors]
        pooled = noise(groups)
        for first, second in zip(groups[::2], groups[1::2], strict=True):
            means = [np.mean(item.shared) + np.mean(item.own) for item in (first, second)]
            half = pooled.half(first, second)
            assert half is not None
            covered.append(abs(math.log(means[0] / means[1])) <= half)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_the_table_shows_the_interval_and_no_more_than_is_known():
    records = [seed(n, 0.1, 0, 10 + 0.2 * n) for n in range(3)]
    records += [seed(n, 0.1, 0, 5 + 0.1 * n, "lora") for n in range(3)]
    records += [seed(n, 0.1, 5, 1 + 0.1 * n, "frozen") for n in range(3)]
    table = build(records)
    place = [column.key for column in table.columns].index("relative")
    shown = {row.labels[0]: row.entries[place] for row in table.blocks[0].rows}
    assert shown["full"].spread is None
    assert shown["frozen"].spread is None  # its prefix was measured once
    assert shown["lora"].spread is not None
    assert 0.01 < shown["lora"].spread < 0.1
    assert any("measured once" in note and "frozen" in note for note in table.details)


def charged(number: int, train: float) -> Record:
    """A seed that trained beside others."""
    record = seed(number, 0.1, 0, train)
    assert record.machine
    return record.model_copy(update={"machine": record.machine.model_copy(update={"seeds_at_once": 4})})


def test_seconds_that_are_another_seeds_are_no_measurement_whatever_they_are():
    """Another number of steps makes them differ, and shows nothing of the noise."""
    records = [seed(0, 0.1, 0, 4.0), *(charged(n, 4.0 + n) for n in range(1, 4))]
    assert found(*records).own == pytest.approx((4.0,))
    assert found(*records).measurements == 1
    assert found(*records[1:]).measurements == 1
    assert found(*records, seed(4, 0.1, 0, 4.4)).measurements == 2
    assert not noise([found(*records)]).dof


# --------------------------------------------------------------------------------------------------
# The parts of a time


def test_the_parts_of_a_time_are_what_seeds_may_share_and_the_rest():
    seconds = Seconds(prepare=0.25, prefix=1.5, compile=0.5, train=2.0, evaluate=1.0, cold=5.25)
    assert found(make_record(seconds=seconds)) == Timing((1.75,), (3.5,))
    rounded = seconds.model_copy(update={"cold": 1.7})  # below its parts, by rounding
    assert found(make_record(seconds=rounded)).own == (0.0,)


def test_seeds_that_did_not_train_have_each_a_time_of_their_own():
    """As heads that are solved for; equal training times of zero are no copies."""
    records = [make_record(seed=n, seconds=Seconds(evaluate=1.0 + n, cold=1.0 + n)) for n in range(3)]
    assert found(*records).own == (1.0, 2.0, 3.0)


def test_compiling_alone_is_a_time_that_a_strategy_can_save():
    records = [make_record(seed=n, seconds=Seconds(compile=0.5, evaluate=9, cold=9.5)) for n in range(2)]
    assert training(records) == Timing((0.0,), (0.5, 0.5))
    assert training([make_record(seconds=Seconds(evaluate=9, cold=9))]) is None


@pytest.mark.parametrize(
    ("shared", "own", "share", "measurements"),
    [((1.0,), (1.0, 1.0), 0.5, 2), ((1.01,), (1.0, 1.0), 1.01 / 2.01, 1), ((0.0,), (0.0, 0.0), 0.0, 2)],
)
def test_measurements_are_those_of_the_larger_part(shared, own, share, measurements):
    timed = Timing(shared, own)
    assert (timed.share, timed.measurements) == (pytest.approx(share), measurements)


def test_the_weight_and_the_mean_of_both_parts():
    timed = Timing((1.0, 2.0), (4.0, 5.0, 4.5))
    assert timed.mean == pytest.approx(6.0)
    assert timed.weight == pytest.approx(0.25**2 / 2 + 0.75**2 / 3)


@pytest.mark.parametrize(
    ("shared", "own", "parts"),
    [
        ((0.1, 0.1), (0.9, 0.9), [[0.1, 0.1], [0.9, 0.9]]),  # a tenth is notable
        ((0.09, 0.09), (0.91, 0.91), [[0.91, 0.91]]),
        ((0.91, 0.91), (0.09, 0.09), [[0.91, 0.91]]),
        ((0.15, 0.15), (0.85, 0.85), [[0.15, 0.15], [0.85, 0.85]]),
        ((1.0,), (0.0, 5.0), []),  # a part of no time has no logarithm
        ((1.0, 1.5), (2.0,), [[1.0, 1.5]]),
    ],
)
def test_the_noise_of_times_is_that_of_notable_parts_that_were_measured_again(shared, own, parts):
    assert Timing(shared, own).samples() == [
        pytest.approx([math.log(value) for value in values]) for values in parts
    ]


def test_the_variance_of_samples_is_within_each():
    assert pooled_variance([[1.0, 3.0], [10.0, 10.0, 13.0], [5.0]]) == (pytest.approx((2 + 6) / 3), 3.0)
    assert pooled_variance([[1.0], [2.0]]) == (0.0, 0.0)


@pytest.mark.parametrize(("at_once", "expected"), [(1, False), (2, True), (0, False)])
def test_the_time_of_seeds_that_train_at_once_is_charged(at_once, expected):
    machine = MACHINE.model_copy(update={"seeds_at_once": at_once}) if at_once else None
    assert is_charged(make_record(machine=machine)) is expected


def test_what_a_strategy_can_save_is_its_prefix_compiling_and_steps():
    seconds = Seconds(prepare=64, prefix=1, compile=2, train=4, evaluate=8, tune=16, cold=79)
    assert training([make_record(seconds=seconds)]) == Timing((1.0,), (6.0,))
