"""Which of two times is shorter, as far as repeated measurements tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.groups import gather
from bench.analysis.timing import TimeNoise, Timing
from bench.report.times import Time, is_faster, time_of
from tests.analysis.conftest import make_record

NOISE = TimeNoise(0.05**2, 100.0)  # 5% a measurement: 8% a ratio of three, at 95%


def time(seconds: float, measured: int = 3, machine: str = "a") -> Time:
    return Time(seconds, Timing((0.0,), (seconds,) * measured), frozenset({machine}), NOISE)


def test_a_time_is_shorter_where_the_interval_of_the_ratio_excludes_1() -> None:
    half = time(10.0).half(time(12.0))
    assert half == pytest.approx(1.984 * 0.05 * (2 / 3) ** 0.5, rel=1e-3)
    assert is_faster([time(10.0)], [time(10.9)])
    assert not is_faster([time(10.0)], [time(10.7)])
    assert not is_faster([time(12.0)], [time(10.0)])


def test_a_time_that_was_measured_once_is_never_shorter() -> None:
    assert not is_faster([time(1.0, measured=1)], [time(10.0)])
    assert not is_faster([time(1.0)], [time(10.0, measured=1)])
    assert not is_faster([], [])


def test_times_of_other_machines_are_not_compared() -> None:
    assert time(1.0).half(time(9.0, machine="b")) is None
    assert not is_faster([time(1.0)], [time(9.0, machine="b")])


def test_over_tasks_the_noise_is_that_of_the_geometric_mean() -> None:
    """6% on each of four tasks are told apart, and not on one."""
    assert not is_faster([time(10.0)], [time(10.6)])
    assert is_faster([time(10.0)] * 4, [time(10.6)] * 4)
    assert not is_faster([time(10.0)] * 4, [*[time(10.6)] * 3, time(10.6, measured=1)])


def test_a_group_without_a_finished_seed_has_no_time() -> None:
    (failed,) = gather([make_record(status="failed", scores={})]).values()
    assert time_of(failed, NOISE) is None
    (group,) = gather([make_record(seed=seed) for seed in range(2)]).values()
    found = time_of(group, NOISE)
    assert found is not None
    assert found.seconds == group.seconds()
    assert found.half(replace(found, seconds=1.0)) is not None
