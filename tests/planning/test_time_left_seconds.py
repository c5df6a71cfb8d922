"""How long several workers take for the jobs that are left."""

from __future__ import annotations

import pytest

from bench.planning.time_left import rest, seconds_left


@pytest.mark.parametrize(
    ("rests", "waiting", "workers", "seconds"),
    [
        ([], [], 0, 0.0),
        ([], [3.0, 4.0], 0, 7.0),  # one worker, if none is seen
        ([], [3.0, 4.0], 1, 7.0),
        ([], [3.0, 4.0], 2, 4.0),
        ([300.0, 5.0], [], 2, 300.0),  # the last job of one worker is not shared by the other
        ([300.0, 5.0], [100.0, 100.0, 100.0], 2, 305.0),
        ([10.0, 10.0, 10.0], [], 1, 10.0),  # more jobs are in flight than workers were seen at once
        ([10.0], [10.0], 3, 10.0),
    ],
)
def test_each_worker_takes_the_next_job_when_it_is_free(
    rests: list[float], waiting: list[float], workers: int, seconds: float
) -> None:
    assert seconds_left(rests, waiting, workers) == seconds


@pytest.mark.parametrize(("elapsed", "seconds"), [(0.0, 100.0), (60.0, 40.0), (95.0, 10.0), (500.0, 10.0)])
def test_a_job_that_is_late_still_takes_a_tenth(elapsed: float, seconds: float) -> None:
    assert rest(100.0, elapsed) == seconds
