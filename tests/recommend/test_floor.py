"""The floor without an encoder: scored on the rows of the strategies, and paired with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from bench.analysis.loading import Run
from bench.contracts import Cell
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.recommend.floor import INVERSE_PENALTIES, _fitted, floor
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent


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
    scores = task.score(rows.test, _fitted(task, rows))
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


def test_of_many_rows_the_penalty_is_chosen_on_some_and_the_model_learns_from_all(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that a file has in the order of their labels too."""
    cell = toy_cell("full")
    task = Registry(plugins, Sources(cache=tmp_path)).task(cell.task)
    rows = prepare(task, Sources(cache=tmp_path), cell.recipe)
    rows = replace(rows, train=sorted(rows.train, key=lambda row: row.label))
    monkeypatch.setattr("bench.recommend.floor.SEARCHED", 10)
    fitted: list[int] = []
    fit = LogisticRegression.fit

    def noted(self: LogisticRegression, features: Any, labels: Any) -> Any:
        fitted.append(len(labels))
        return fit(self, features, labels)

    monkeypatch.setattr(LogisticRegression, "fit", noted)
    assert len(_fitted(task, rows)) == len(rows.test)
    assert fitted == [10] * len(INVERSE_PENALTIES) + [len(rows.train)]
