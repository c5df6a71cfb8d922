"""Activations on disk: verified when read, evicted by size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from bench.engine.activation_store import ActivationStore


def test_what_was_saved_is_loaded_with_its_cost(tmp_path: Path) -> None:
    activations, tensor = ActivationStore(tmp_path, 10**6), torch.randn(5, 3).to(torch.bfloat16)
    activations.save("a", tensor, 1.5)
    found = activations.load("a")
    assert found is not None
    assert torch.equal(found[0], tensor)
    assert found[1] == 1.5
    assert activations.load("b") is None


@pytest.mark.parametrize("position", [40, -1])
def test_a_damaged_file_is_deleted_and_not_used(tmp_path: Path, position: int) -> None:
    activations = ActivationStore(tmp_path, 10**6)
    activations.save("a", torch.randn(50, 3), 1.5)
    path = tmp_path / "a.safetensors"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert activations.load("a") is None
    assert not path.exists()


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    size = 1000 * 4
    activations = ActivationStore(tmp_path, 3 * size + 2000)
    for age, key in enumerate("abc"):
        activations.save(key, torch.zeros(1000), 1.0)
        os.utime(tmp_path / f"{key}.safetensors", (1000 + age, 1000 + age))
    assert activations.load("a") is not None  # used again: no longer the oldest
    activations.save("d", torch.zeros(1000), 1.0)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]
    activations.save("too large", torch.zeros(10_000), 1.0)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]


def test_a_folder_that_cannot_be_written_is_named_and_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    activations = ActivationStore(tmp_path / "file", 10**6)
    activations.save("a", torch.zeros(3), 1.0)
    assert activations.refusal.startswith(f"--cache-dir {tmp_path / 'file'} cannot be written (")
    (tmp_path / "file").unlink()
    activations.save("a", torch.zeros(3), 1.0)
    with activations.turn("a"):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_read_alone_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    activations, tensor = ActivationStore(tmp_path, 10**6), torch.randn(5, 3)
    activations.save("a", tensor, 1.5)
    monkeypatch.setattr(os, "utime", read_only)
    found = activations.load("a")
    assert found is not None
    assert torch.equal(found[0], tensor)
    assert (tmp_path / "a.safetensors").exists()
