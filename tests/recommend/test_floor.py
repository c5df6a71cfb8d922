"""The floor without an encoder: scored on the rows of the strategies, and paired with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from bench.analysis.loading import Run
from bench.contracts import Cell
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.recommend.floor import fitted, floor
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Record


def ran(cell: Cell, plugins: Plugins, toy_plugin: Path, folder: Path, seeds: int) -> tuple[Run, Registry]:
    registry = Registry(plugins, Sources(cache=folder))
    options = Options(device="cpu", executor="inline", plugin_files=(toy_plugin,))
    records = launch(
        [replace(cell, seed=seed) for seed in range(seeds)], registry, folder / "run", options, Silent()
    )
    return Run("toy", records, Store(folder / "run").predictions), registry


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_floor_is_paired_with_every_strategy(
    seeds: int, toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, seeds)
    found = floor(cell, run, registry)
    assert found is not None
    task, rows = registry.task(cell.task), prepare(registry.task(cell.task), registry.sources, cell.recipe)
    scores = task.score(rows.test, fitted(task, rows, cell.recipe))
    assert found.score.mean == pytest.approx(scores[task.headline])
    mean = sum(record.scores["test"][task.headline] for record in run.records) / seeds
    (gain,) = found.gains.values()
    assert gain.mean == pytest.approx(mean - found.score.mean)
    assert gain.seeds == seeds
    assert found.score.half > 0 or found.score.mean in (0.0, 1.0)


def test_a_task_on_tokens_has_no_floor(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("frozen", task="toy-ner")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 1)
    assert floor(cell, run, registry) is None


def test_where_a_run_has_cells_without_an_encoder_the_floor_is_theirs(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    """And says what is fitted here where the run has none."""
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 2)
    alone = floor(cell, run, registry)
    counted, _ = ran(replace(cell, strategy="probe", backbone="tfidf"), plugins, toy_plugin, tmp_path, 2)
    found = floor(cell, replace(run, records=[*run.records, *counted.records]), registry)
    assert alone is not None
    assert found is not None
    assert (found.score.mean, found.score.half) == (alone.score.mean, alone.score.half)
    (gain,), (other,) = found.gains.values(), alone.gains.values()
    assert (gain.low, gain.mean, gain.high) == (other.low, other.mean, other.high)
    assert found.score.mean == counted.records[0].scores["test"][counted.records[0].headline]
    assert found.seconds == median(record.seconds.cold for record in counted.records)


def test_a_run_whose_cells_without_an_encoder_failed_has_no_floor(
    toy_cell: Callable[..., Cell], plugins: Plugins, toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    run, registry = ran(cell, plugins, toy_plugin, tmp_path, 1)
    failed = Record(
        cell=replace(cell, strategy="probe", backbone="tfidf"), fingerprint="", status="failed", reason="why"
    )
    assert floor(cell, replace(run, records=[*run.records, failed]), registry) is None
