"""`--per-device`: seeds of a cell are one job, and their results are those of seeds in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.executors.contract import MOST_PER_DEVICE, Options
from bench.runs.folder import Store
from tests.support.made_runs import ToySuite, results


@pytest.mark.parametrize("count", [0, -1, MOST_PER_DEVICE + 1])
def test_a_number_that_is_no_number_of_seeds_is_refused(count: int) -> None:
    with pytest.raises(BenchError) as error:
        Options(per_device=count)
    assert error.value.code == "wrong-per-device"


def test_seeds_at_once_are_refused_where_a_budget_may_end_the_work() -> None:
    with pytest.raises(BenchError) as error:
        Options(per_device=2, growing=True)
    assert error.value.code == "per-device-with-budget"


def test_a_run_with_seeds_at_once_has_the_results_of_one_with_seeds_in_turn(
    tmp_path: Path, tiny_encoder: Path
) -> None:
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("full",), seeds=4)
    suite.finish_warm(tmp_path / "in-turn")
    finished = suite.finish_warm(tmp_path / "at-once", "--per-device", "3")
    assert finished.returncode == 0, finished.stderr
    assert "on a CPU this saves no time" in finished.stderr
    assert results(tmp_path / "at-once") == results(tmp_path / "in-turn")
    found = sorted(Store(tmp_path / "at-once").records(), key=lambda record: record.cell.seed)
    counts = [record.machine.seeds_at_once for record in found if record.machine]
    assert counts == [1, 3, 3, 3]
