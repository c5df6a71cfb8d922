"""Cells run with the encoder that the run began with, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.executors.contract import Options, Work
from bench.executors.series import Series
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Record

MakeCell = Callable[..., Cell]


@pytest.fixture
def encoder(tiny_encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


def series(cells: list[Cell], plugins: Plugins, folder: Path, planned: Registry | None = None) -> Series:
    """What runs the cells; planned: the registry of the process that began the run, where it is another one."""
    registry = Registry(plugins, Sources(cache=folder / "cache"))
    prints = {cell.id: (planned or registry).fingerprint(cell) for cell in cells}
    work = Work(Store(folder / "run"), Options(device="cpu", executor="inline"), fingerprints=prints)
    return Series(work, registry, "cpu")


def outcomes(running: Series, cells: list[Cell]) -> list[Record]:
    return [record for cell in cells for record in running.run([cell], Silent())]


def train_further(encoder: Path) -> None:
    weights = encoder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-4:] = b"\x00\x00\x80\x3f"  # 1.0
    weights.write_bytes(bytes(content))


def test_an_encoder_that_changes_while_a_run_goes_on_is_refused(
    encoder: Path, toy_cell: MakeCell, plugins: Plugins, tmp_path: Path
) -> None:
    """What was loaded before goes on; what would be loaded anew are other weights."""
    cells = [toy_cell("probe", seed=seed, backbone=str(encoder)) for seed in range(2)]
    cells.append(replace(cells[0], task="toy-ner"))
    running = series(cells, plugins, tmp_path)
    first = outcomes(running, cells[:1])
    train_further(encoder)
    later = outcomes(running, cells[1:])
    assert [record.status for record in [*first, *later]] == ["done", "done", "failed"]
    assert "have changed since this run began: start it again" in later[1].reason
    assert first[0].weights == later[0].weights


def test_a_worker_that_starts_later_compares_with_what_was_planned(
    encoder: Path, toy_cell: MakeCell, plugins: Plugins, tmp_path: Path
) -> None:
    cells = [toy_cell("probe", backbone=str(encoder))]
    planned = Registry(plugins, Sources(cache=tmp_path / "cache"))
    before = planned.fingerprint(cells[0])
    train_further(encoder)
    assert planned.fingerprint(cells[0]) == before
    (record,) = outcomes(series(cells, plugins, tmp_path, planned), cells)
    assert record.status == "failed"
    assert "have changed" in record.reason
