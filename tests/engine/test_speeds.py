"""A machine's speeds are measured once and kept; a deterministic run does not depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("kind", ["cpu", "meta"])
def test_the_rate_is_of_a_product_as_large_as_the_device_needs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 n^3 operations, of which a GPU is not filled by a small n."""
    monkeypatch.setattr(Speeds, "_seconds", lambda self, action: [2.0, 1.0])
    size = {"cpu": 1024, "meta": 8192}[kind]
    assert Speeds(Device(torch.device(kind), torch.float32), tmp_path).gemm() == 2 * size * size * size


@pytest.mark.parametrize("name", speeds.IMPLEMENTATIONS)
def test_each_implementation_is_timed_under_its_own_name_and_gives_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [torch.randn((2, 3, 5, 4), generator=torch.Generator().manual_seed(n)) for n in range(3)]
    mask = torch.zeros((2, 1, 5, 5))
    called: list[str] = []
    plain, fused = speeds.attention.plain_attention, torch.nn.functional.scaled_dot_product_attention

    def noted_plain(*given: Any) -> Any:
        called.append("plain")
        return plain(*given)

    def noted_fused(*given: Any, **more: Any) -> torch.Tensor:
        called.append("sdpa")
        return fused(*given, **more)

    monkeypatch.setattr(speeds.attention, "plain_attention", noted_plain)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted_fused)
    found = speeds._attend(name, states, mask)
    assert called == [name]
    weights = (states[0] @ states[1].transpose(-1, -2) / 2).softmax(-1)  # the root of a width of 4
    torch.testing.assert_close(found, (weights @ states[2]).transpose(1, 2))
