"""A machine's speeds are measured once and kept; a deterministic run does not depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.engine import speeds
from bench.engine.determinism import make_deterministic
from bench.engine.machine import Device
from bench.engine.speeds import Speeds

CPU = Device(torch.device("cpu"), torch.float32)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests share what was measured once (tests/conftest.py); here the file alone may keep it."""
    monkeypatch.setattr(speeds, "REPEATS", 2)
    for name in ("_time_gemm", "_time_attention"):
        measure = getattr(Speeds, name)
        monkeypatch.setattr(Speeds, name, getattr(measure, "__wrapped__", measure))


@pytest.fixture
def deterministic() -> Iterator[None]:
    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    first = Speeds(CPU, tmp_path)
    rate, choice = first.gemm(), first.attention(20)
    assert rate > 1e8
    second = Speeds(CPU, tmp_path)
    assert (second.gemm(), second.attention(20)) == (rate, choice)


def test_each_precision_has_measurements_of_its_own(tmp_path: Path) -> None:
    Speeds(CPU, tmp_path).gemm()
    Speeds(Device(CPU.torch, torch.float64), tmp_path).gemm()
    assert len(list((tmp_path / "speeds").iterdir())) == 2


def test_each_gpu_has_measurements_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes of a cluster have one processor and one cache folder, and may have different GPUs."""
    names = ["NVIDIA H200", "NVIDIA A10"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: names[0])
    monkeypatch.setattr(Speeds, "_time_gemm", lambda _: 1e14)
    device = Device(torch.device("cuda"), torch.bfloat16)
    while names:
        Speeds(device, tmp_path).gemm()
        names.pop(0)
    assert len(list((tmp_path / "speeds").iterdir())) == 2


@pytest.mark.parametrize("damaged", ["{", "[]", "1", "null", "[1]"])
def test_a_damaged_file_is_measured_again(damaged: str, tmp_path: Path) -> None:
    Speeds(CPU, tmp_path).gemm()
    (path,) = (tmp_path / "speeds").iterdir()
    path.write_text(damaged)
    assert Speeds(CPU, tmp_path).gemm() > 1e8


@pytest.mark.usefixtures("deterministic")
def test_a_deterministic_run_always_chooses_the_same_attention(tmp_path: Path) -> None:
    assert Speeds(CPU, tmp_path).attention(512) == "plain"
    assert not (tmp_path / "speeds").exists()
