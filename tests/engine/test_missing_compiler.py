"""What torch.compile lacks is said before a cell starts: a compiler, triton on a GPU, the headers of Python."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from bench.engine import compiling
from bench.engine.compiling import missing_compiler


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Linux machine with Python's headers and triton, but without any compiler; the folder of the headers."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(compiling.sys, "platform", "linux")
    monkeypatch.setattr(compiling.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(compiling, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


CPU, GPU = "install {}, or name one in CXX", "install gcc or clang, or name one in CC"


@pytest.mark.parametrize(
    ("kind", "platform", "said"),
    [("cpu", "linux", CPU.format("g++")), ("cpu", "darwin", CPU.format("clang++")), ("cuda", "linux", GPU)],
)
def test_without_a_compiler_one_is_named(
    kind: str, platform: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling.sys, "platform", platform)
    assert missing_compiler(torch.device(kind)) == f"there is no compiler: {said}"


@pytest.mark.parametrize(
    ("kind", "found", "missing"),
    [
        ("cpu", "g++", False),
        ("cpu", "gcc", True),
        ("cpu", "clang++", True),
        ("cuda", "gcc", False),
        ("cuda", "clang", False),
        ("cuda", "g++", True),
    ],
)
def test_a_compiler_on_the_path_will_do(
    kind: str, found: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == found else None)
    assert bool(missing_compiler(torch.device(kind))) is missing


@pytest.mark.parametrize(
    ("kind", "variable", "missing"),
    [("cpu", "CXX", False), ("cpu", "CC", True), ("cuda", "CC", False), ("cuda", "CXX", True)],
)
def test_so_will_one_that_a_variable_names(
    kind: str, variable: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/opt/compiler")
    assert bool(missing_compiler(torch.device(kind))) is missing


def test_a_gpu_needs_triton_and_everything_needs_headers(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for kind in ("cpu", "cuda"):
        assert missing_compiler(torch.device(kind)) == ""
    (bare / "Python.h").unlink()
    for kind in ("cpu", "cuda"):
        assert missing_compiler(torch.device(kind)).startswith("Python.h is missing")
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert missing_compiler(torch.device("cuda")) == "triton is not installed"
    assert missing_compiler(torch.device("cpu")).startswith("Python.h is missing")
