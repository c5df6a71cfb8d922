"""The script for machines with a GPU, on the CPU: the same code on a tiny encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.engine.machine import Device
from bench.gpu import checks
from bench.gpu import command as gpu_check
from bench.gpu.material import MATERIALS, TINY


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("gpu") / "report.json"
    code = gpu_check.main(["--device", "cpu", "--tiny", "--repeats", "1", "--out", str(path)])
    assert code == 0
    return json.loads(path.read_text())


def test_every_equality_holds(report: dict[str, Any]) -> None:
    passed = {check["name"] for check in report["checks"] if check["passed"]}
    assert passed >= {
        "trimmed table equals whole table",
        "cached equals uncached",
        "engine equals a plain loop (of the weights' change)",
        "micro-batches equal the batch",
        "frozen weights are bit-identical",
        "a tiny cache budget is kept",
    }


def test_the_report_has_times_rates_and_memory(report: dict[str, Any]) -> None:
    (speed,) = report["speed"]
    assert [row["strategy"] for row in speed["strategies"]] == ["full", "top-layers", "gradual", "frozen"]
    for row in speed["strategies"]:
        assert min(row["seconds"], row["peer_seconds"], row["peak_memory"]) > 0
    assert speed["strategies"][0]["utilisation"] > 0
    assert speed["grid"]["ratio"] > 0


def test_without_a_gpu_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "report.json"
    assert gpu_check.main(["--out", str(out)]) == 0
    assert "no GPU" in capsys.readouterr().out
    assert not out.exists()


def test_a_check_that_raises_has_failed_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(checks, "run_engine", broken)
    found = checks.run_all(TINY[0], Device(torch.device("cpu"), torch.float32), tmp_path)
    assert found[0].passed
    assert "RuntimeError: no kernel image" in found[1].detail
    assert len(found) == 9


def test_short_texts_are_as_long_as_sentences_of_film_reviews() -> None:
    lengths = MATERIALS[0].encoded("train").lengths
    assert 24 < lengths.mean() < 30
