"""The process executor with a worker for each of several devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.executors.contract import Options
from tests.support.made_runs import ToySuite, finish_warm, results
from tests.support.nasty import FOLDER


def test_two_devices_have_a_worker_each_and_the_results_of_one(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two groups of two cells; `cpu,cpu` stands for two GPUs, and `counts` notes its process."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    suite = ToySuite.write(tmp_path / "grid.toml", tiny_encoder, ("counts", "frozen"))
    with suite.path.open("a") as file:
        file.write("[tasks.toy-ner]\n")
    two = [*suite.arguments(tmp_path / "two"), "--device", "cpu,cpu"]
    assert finish_warm(two).returncode == 0
    assert len(set((tmp_path / "counts").read_text().split())) == 2
    assert suite.finish(tmp_path / "one", "--executor", "inline").returncode == 0
    assert results(tmp_path / "two") == results(tmp_path / "one")
    assert len(results(tmp_path / "one")) == 4


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"device": "gpu"}, "unknown-device"),
        ({"device": "cpu,auto"}, "wrong-devices"),
        ({"device": "cpu,cpu", "executor": "inline"}, "wrong-devices"),
    ],
)
def test_a_wrong_list_of_devices_is_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(BenchError) as error:
        Options(**wrong)
    assert error.value.code == code
