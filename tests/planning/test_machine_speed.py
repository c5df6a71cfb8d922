"""The speed that is assumed before anything has run."""

from __future__ import annotations

import numpy as np  # its BLAS is what is limited
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from bench.planning import machine_speed
from bench.planning.machine_speed import REACHED, assumed_rate


@pytest.mark.parametrize(("together", "alone"), [(8e10, 5e10), (1e9, 5e10)], ids=["idle", "busy"])
def test_one_thread_is_the_least_that_is_assumed(
    together: float, alone: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several that spin for each other on busy cores are far slower than one."""

    def rate() -> float:
        threads = {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
        return alone if threads == {1} else together

    assert np.dot(1, 1) == 1
    monkeypatch.setattr(machine_speed, "_product_rate", rate)
    with threadpool_limits(2, user_api="blas"):
        assert assumed_rate("cpu") == pytest.approx(REACHED * max(together, alone))
